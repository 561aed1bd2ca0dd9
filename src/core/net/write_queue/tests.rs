use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::*;
use crate::codec::ws::frame;

/// A socket that takes at most `room` more bytes, in portions of at most `portion`.
struct Pipe {
    taken: Vec<u8>,
    room: usize,
    portion: usize,
    calls: usize,
}

impl Pipe {
    fn new(room: usize) -> Self {
        Self {
            taken: Vec::new(),
            room,
            portion: usize::MAX,
            calls: 0,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.calls += 1;
        let bytes: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter().copied())
            .collect();
        let count = bytes.len().min(self.room).min(self.portion);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.taken.extend_from_slice(&bytes[..count]);
        self.room -= count;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One that takes everything, and passes it on to a pipe when it is flushed.
struct Keeping {
    kept: Vec<u8>,
    pipe: Pipe,
}

impl Write for Keeping {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.kept.is_empty() {
            let count = self.pipe.write(&self.kept)?;
            self.kept.drain(..count);
        }
        Ok(())
    }
}

fn frame_bytes(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    frame::encode(opcode, payload, &mut out);
    out
}

fn text(payload: &str) -> Vec<u8> {
    frame_bytes(OpCode::Data(Data::Text), payload.as_bytes())
}

fn push(queue: &mut WriteQueue, bytes: Vec<u8>, meter: &Meter) {
    assert_eq!(
        queue.push(
            Chunk::whole(Frames::new(bytes, FrameKind::Data, meter)),
            1 << 20
        ),
        Enqueue::Queued
    );
}

fn pong_bytes(payload: &[u8]) -> Vec<u8> {
    frame_bytes(OpCode::Control(Control::Pong), payload)
}

fn pong(meter: &Meter, payload: &[u8]) -> Rc<Frames> {
    Frames::new(pong_bytes(payload), FrameKind::Control, meter)
}

#[test]
fn everything_leaves_in_one_call_and_in_order() {
    let meter = Meter::default();
    let mut queue = WriteQueue::default();
    push(&mut queue, text("a"), &meter);
    push(&mut queue, text("b"), &meter);
    push(&mut queue, text("c"), &meter);
    let (mut pipe, mut written) = (Pipe::new(100), 0);
    assert_eq!(
        queue.flush(&mut pipe, &mut written).unwrap(),
        Flush::Drained
    );
    assert_eq!(
        (pipe.taken, pipe.calls, written),
        ([text("a"), text("b"), text("c")].concat(), 1, 9)
    );
    assert_eq!(
        (queue.is_empty(), queue.queued_bytes(), meter.used()),
        (true, 0, 0)
    );
}

/// A frame in three chunks, and its bytes; its middle is shared.
fn frame_in_pieces(queue: &mut WriteQueue, middle: &Rc<Frames>, meter: &Meter) -> Vec<u8> {
    let whole = text("a begun, shared, ended frame");
    let begin = Frames::answer(whole[..9].to_vec(), FrameKind::Begin, meter);
    let end = Frames::answer(whole[17..].to_vec(), FrameKind::End, meter);
    for frames in [begin, Rc::clone(middle), end] {
        queue.append(Chunk::whole(frames));
    }
    assert_eq!(queue.check(), Ok(()));
    whole
}

fn middle(meter: &Meter) -> Rc<Frames> {
    let whole = text("a begun, shared, ended frame");
    Frames::answer(whole[9..17].to_vec(), FrameKind::Middle, meter)
}

/// Wherever the kernel stops, a pong goes before or behind a frame of several pieces, and a close frame follows what has
/// begun.
#[test]
fn nothing_comes_between_the_pieces_of_a_frame() {
    let meter = Meter::default();
    let middle = middle(&meter);
    let whole_length = text("a begun, shared, ended frame").len();
    for taken in 0..whole_length {
        for is_cut in [false, true] {
            let mut queue = WriteQueue::default();
            let frame = frame_in_pieces(&mut queue, &middle, &meter);
            push(&mut queue, text("next"), &meter);
            let (mut pipe, mut written) = (Pipe::new(taken), 0);
            assert_eq!(
                queue.flush(&mut pipe, &mut written).unwrap(),
                Flush::Blocked
            );
            let expected = if is_cut {
                queue.cut_to_frame(&meter);
                push(&mut queue, text("bye"), &meter);
                match taken {
                    0 => text("bye"),
                    _ => [frame, text("bye")].concat(),
                }
            } else {
                queue.push_control(pong(&meter, b"p"));
                match taken {
                    0 => [pong_bytes(b"p"), frame, text("next")].concat(),
                    _ => [frame, pong_bytes(b"p"), text("next")].concat(),
                }
            };
            assert_eq!(queue.check(), Ok(()));
            pipe.room = 100;
            assert_eq!(
                queue.flush(&mut pipe, &mut written).unwrap(),
                Flush::Drained
            );
            assert_eq!(pipe.taken, expected, "{taken} bytes, cut: {is_cut}");
        }
    }
}

#[test]
fn any_portions_give_the_same_bytes() {
    for portion in 1..12 {
        let meter = Meter::default();
        let mut queue = WriteQueue::default();
        push(&mut queue, text("hello"), &meter);
        push(&mut queue, text("you"), &meter);
        let (mut pipe, mut written) = (Pipe::new(4), 0);
        pipe.portion = portion;
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Blocked
        );
        pipe.room = 100;
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Drained
        );
        assert_eq!(pipe.taken, [text("hello"), text("you")].concat());
    }
}

#[test]
fn a_full_queue_says_so_and_an_empty_one_takes_anything() {
    let meter = Meter::default();
    let mut queue = WriteQueue::default();
    let chunk = || Chunk::whole(Frames::new(vec![0; 100], FrameKind::Data, &meter));
    assert_eq!(queue.push(chunk(), 50), Enqueue::Queued);
    assert_eq!(queue.push(chunk(), 50), Enqueue::Full);
    assert_eq!(
        queue.push(chunk(), 2 * (100 + CHUNK_OVERHEAD)),
        Enqueue::Queued
    );
    assert_eq!(
        queue.push(chunk(), 2 * (100 + CHUNK_OVERHEAD)),
        Enqueue::Full
    );
    assert_eq!(meter.used(), 200);
}

#[test]
fn a_pong_goes_before_data_but_not_into_a_frame() {
    let meter = Meter::default();
    let mut queue = WriteQueue::default();
    push(&mut queue, text("first"), &meter);
    push(&mut queue, text("second"), &meter);
    let (mut pipe, mut written) = (Pipe::new(3), 0);
    assert_eq!(
        queue.flush(&mut pipe, &mut written).unwrap(),
        Flush::Blocked
    );
    queue.push_control(pong(&meter, b"old"));
    queue.push_control(pong(&meter, b"new"));
    pipe.room = 100;
    assert_eq!(
        queue.flush(&mut pipe, &mut written).unwrap(),
        Flush::Drained
    );
    let (old, new) = (pong_bytes(b"old"), pong_bytes(b"new"));
    assert_eq!(
        pipe.taken,
        [text("first"), old, new, text("second")].concat()
    );
}

#[test]
fn pongs_wait_in_order_and_the_oldest_give_way() {
    for begun in [false, true] {
        let meter = Meter::default();
        let mut queue = WriteQueue::default();
        push(&mut queue, text("data"), &meter);
        let (mut pipe, mut written) = (Pipe::new(usize::from(begun)), 0);
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Blocked
        );
        for count in 0..MAX_WAITING_CONTROL + 3 {
            queue.push_control(pong(&meter, &[count as u8]));
        }
        pipe.room = 1000;
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Drained
        );
        let pongs: Vec<u8> = (3..MAX_WAITING_CONTROL + 3)
            .flat_map(|count| pong_bytes(&[count as u8]))
            .collect();
        let expected = if begun {
            [text("data"), pongs]
        } else {
            [pongs, text("data")]
        };
        assert_eq!(pipe.taken, expected.concat());
        assert_eq!((queue.queued_bytes(), meter.used()), (0, 0));
    }
}

#[test]
fn a_pong_does_not_overtake_the_response_that_opens_the_socket() {
    let meter = Meter::default();
    let mut queue = WriteQueue::default();
    let response = Frames::new(b"HTTP/1.1 101".to_vec(), FrameKind::Response, &meter);
    assert_eq!(queue.push(Chunk::whole(response), 100), Enqueue::Queued);
    push(&mut queue, text("data"), &meter);
    queue.push_control(pong(&meter, b"!"));
    let (mut pipe, mut written) = (Pipe::new(100), 0);
    assert_eq!(
        queue.flush(&mut pipe, &mut written).unwrap(),
        Flush::Drained
    );
    assert_eq!(
        pipe.taken,
        [b"HTTP/1.1 101".to_vec(), pong_bytes(b"!"), text("data")].concat()
    );
}

#[test]
fn a_cut_ends_the_frame_that_is_being_written() {
    let meter = Meter::default();
    for room in 0..12 {
        let mut queue = WriteQueue::default();
        push(&mut queue, [text("one"), text("two")].concat(), &meter);
        push(&mut queue, text("three"), &meter);
        let (mut pipe, mut written) = (Pipe::new(room), 0);
        let _ = queue.flush(&mut pipe, &mut written).unwrap();
        queue.cut_to_frame(&meter);
        pipe.room = 100;
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Drained
        );
        let whole = [0, 5, 10, 17].into_iter().find(|&end| end >= room).unwrap();
        assert_eq!(pipe.taken.len(), whole, "{room}");
        assert_eq!((queue.queued_bytes(), meter.used()), (0, 0));
    }
}

#[test]
fn a_cut_queue_keeps_the_response_that_opens_the_websocket() {
    let meter = Meter::default();
    for room in 0..12 {
        let mut queue = WriteQueue::default();
        let head = Frames::new(b"HTTP/1.1 101".to_vec(), FrameKind::Response, &meter);
        assert_eq!(queue.push(Chunk::whole(head), 1000), Enqueue::Queued);
        push(&mut queue, text("one"), &meter);
        let (mut pipe, mut written) = (Pipe::new(room), 0);
        let _ = queue.flush(&mut pipe, &mut written).unwrap();
        queue.cut_to_frame(&meter);
        pipe.room = 100;
        assert_eq!(
            queue.flush(&mut pipe, &mut written).unwrap(),
            Flush::Drained
        );
        assert_eq!(pipe.taken, b"HTTP/1.1 101", "{room}");
        assert_eq!((queue.queued_bytes(), meter.used()), (0, 0));
    }
}

#[test]
fn a_part_of_a_batch_begins_at_a_frame() {
    let meter = Meter::default();
    let batch = Frames::new(
        [text("one"), text("two"), text("three")].concat(),
        FrameKind::Data,
        &meter,
    );
    let mut queue = WriteQueue::default();
    assert_eq!(
        queue.push(Chunk::without_first(batch, 2), 1000),
        Enqueue::Queued
    );
    let (mut pipe, mut written) = (Pipe::new(100), 0);
    assert_eq!(
        queue.flush(&mut pipe, &mut written).unwrap(),
        Flush::Drained
    );
    assert_eq!(pipe.taken, text("three"));
}

#[test]
fn what_the_socket_has_kept_is_not_written_yet() {
    let meter = Meter::default();
    let mut queue = WriteQueue::default();
    let mut socket = Keeping {
        kept: Vec::new(),
        pipe: Pipe::new(4),
    };
    let mut written = 0;
    push(&mut queue, text("kept"), &meter);
    assert_eq!(
        queue.flush(&mut socket, &mut written).unwrap(),
        Flush::Blocked
    );
    // Nothing is queued any more, and still there is something to flush.
    assert!(queue.is_empty());
    socket.pipe.room = 100;
    assert_eq!(
        queue.flush(&mut socket, &mut written).unwrap(),
        Flush::Drained
    );
    assert_eq!(socket.pipe.taken, text("kept"));
    assert_eq!(written, text("kept").len() as u64);
}
