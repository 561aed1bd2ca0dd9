//! What the two processes send each other: messages with their length before them, and descriptors beside the bytes
//! (unix(7), `SCM_RIGHTS`).

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Descriptors in one message; the kernel takes no more (`SCM_MAX_FD`).
const MOST_AT_ONCE: usize = 253;

/// Bytes of a message at most: what a server may hold in memory, and more.
const MAX_MESSAGE: u64 = 64 << 30;

/// One end.
#[derive(Debug)]
pub(super) struct Channel(UnixStream);

impl Channel {
    /// No call takes longer than this.
    pub(super) fn new(stream: UnixStream, timeout: Duration) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        Ok(Self(stream))
    }

    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.0.write_all(&(message.len() as u64).to_be_bytes())?;
        self.0.write_all(message)
    }

    pub(super) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut length = [0; 8];
        self.0.read_exact(&mut length)?;
        let length = u64::from_be_bytes(length);
        if length > MAX_MESSAGE {
            return Err(invalid("a message is too long"));
        }
        // As it comes: a length alone takes no memory.
        let mut message = Vec::new();
        (&mut self.0).take(length).read_to_end(&mut message)?;
        match message.len() as u64 == length {
            true => Ok(message),
            false => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    pub(super) fn send_descriptors(&mut self, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        for some in descriptors.chunks(MOST_AT_ONCE) {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_AT_ONCE))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            if !beside.push(SendAncillaryMessage::ScmRights(some)) {
                return Err(invalid("there is no space for descriptors"));
            }
            // They need a byte to go with.
            sendmsg(
                self.0.as_fd(),
                &[IoSlice::new(b"d")],
                &mut beside,
                SendFlags::NOSIGNAL,
            )?;
        }
        Ok(())
    }

    pub(super) fn receive_descriptors(&mut self, count: usize) -> io::Result<Vec<OwnedFd>> {
        let mut descriptors = Vec::new();
        while descriptors.len() < count {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_AT_ONCE))];
            let mut beside = RecvAncillaryBuffer::new(&mut space);
            let mut byte = [0];
            let mut bytes = [IoSliceMut::new(&mut byte)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let message = recvmsg(self.0.as_fd(), &mut bytes, &mut beside, flags)?;
            if message.bytes == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if message.flags.contains(ReturnFlags::CTRUNC) {
                return Err(io::Error::other(
                    "the limit on open files is too low for all sockets",
                ));
            }
            for part in beside.drain() {
                if let RecvAncillaryMessage::ScmRights(some) = part {
                    descriptors.extend(some);
                }
            }
        }
        Ok(descriptors)
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::MetadataExt as _;

    fn pair() -> (Channel, Channel) {
        let (one, other) = UnixStream::pair().unwrap();
        let [one, other] =
            [one, other].map(|it| Channel::new(it, Duration::from_secs(20)).unwrap());
        (one, other)
    }

    #[test]
    fn messages_and_descriptors_arrive_in_order() {
        let (mut one, mut other) = pair();
        let file = File::open("/dev/null").unwrap();
        let count = 2 * MOST_AT_ONCE + 1;
        let sent = std::thread::spawn(move || {
            one.send(b"first").unwrap();
            one.send_descriptors(&vec![file.as_fd(); count]).unwrap();
            one.send(&vec![7; 3 << 20]).unwrap();
            file.metadata().unwrap().rdev()
        });
        assert_eq!(other.receive().unwrap(), b"first");
        let descriptors = other.receive_descriptors(count).unwrap();
        assert_eq!(descriptors.len(), count);
        assert_eq!(other.receive().unwrap(), vec![7; 3 << 20]);
        let device = File::from(descriptors.into_iter().last().unwrap());
        assert_eq!(device.metadata().unwrap().rdev(), sent.join().unwrap());
    }

    #[test]
    fn an_end_is_an_error() {
        let (mut one, mut other) = pair();
        one.0.write_all(&5_u64.to_be_bytes()).unwrap();
        drop(one);
        let error = other.receive().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        assert!(other.receive_descriptors(1).is_err());
    }
}
