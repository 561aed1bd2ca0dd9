//! What goes through a session of rustls, from buffer to buffer.

use rustls::Error;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus};

use super::buffers::Outgoing;

/// Whether the peer has said that it will send no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Talks,
    HasEnded,
}

/// Takes all whole records off the front of `incoming`, of which it says in `used` how much is done with. Gives plaintext
/// to `sink`, and what the session has to say to `outgoing`.
pub(super) fn pass(
    session: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    used: &mut usize,
    outgoing: &mut Outgoing,
    mut sink: impl FnMut(&[u8]),
) -> Result<Peer, Error> {
    let mut peer = Peer::Talks;
    loop {
        let UnbufferedStatus { mut discard, state } =
            session.process_tls_records(&mut incoming[*used..]);
        let is_done = match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record?;
                    discard += record.discard;
                    sink(record.payload);
                }
                false
            }
            Ok(ConnectionState::EncodeTlsData(data)) => {
                encode(data, outgoing);
                false
            }
            Ok(ConnectionState::TransmitTlsData(data)) => {
                data.done();
                false
            }
            Ok(ConnectionState::PeerClosed) => {
                peer = Peer::HasEnded;
                false
            }
            Ok(_) => true,
            Err(error) => {
                *used += discard;
                return Err(error);
            }
        };
        *used += discard;
        if is_done {
            return Ok(peer);
        }
    }
}

/// Puts what a session that has failed tells its peer into `outgoing`. As long as there is something, asking for it comes
/// before anything else.
pub(super) fn pass_alert(session: &mut UnbufferedServerConnection, outgoing: &mut Outgoing) {
    while session.wants_write() {
        match session.process_tls_records(&mut []).state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, outgoing),
            _ => return,
        }
    }
}

fn encode(mut data: EncodeTlsData<'_, ServerConnectionData>, outgoing: &mut Outgoing) {
    let mut encoded = data.encode(outgoing.space());
    if let Err(EncodeError::InsufficientSize(size)) = &encoded {
        outgoing.reserve(size.required_size);
        encoded = data.encode(outgoing.space());
    }
    // That it is encoded twice is the only other error.
    outgoing.fill(encoded.unwrap_or(0));
}
