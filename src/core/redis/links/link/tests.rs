use std::io::{self, Read, Write};

use super::*;

/// A kernel that takes some bytes at a time.
struct Narrow(usize);

impl Read for Narrow {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(ErrorKind::WouldBlock.into())
    }
}

impl Write for Narrow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match std::mem::take(&mut self.0).min(bytes.len()) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Narrow {
    fn shutdown_write(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_was_written_is_let_go_of_although_something_is_always_left() {
    let target = Target {
        addresses: vec![],
        master: None,
        user: None,
        password: None,
        db: 0,
    };
    let mut link = Link::begin(Narrow(0), Role::Channels, &target, &[], None, 0);
    let budget = Budget::default();
    let word = [b'x'; 1_000];
    link.write([&word[..]], Expected::Any);
    for _ in 0..1_000 {
        link.write([&word[..]], Expected::Any);
        link.socket.0 = 1_000;
        link.ready.writable = true;
        link.flush(&budget).unwrap();
        assert!(link.has_output());
    }
    assert!(link.output.len() < 100_000, "{}", link.output.len());
}
