//! What a message says about itself: the run it belongs to, its sender, its number, its time.
//!
//! Each of the three fields is 48 bits in eight printable characters, so that a message is valid text, holds
//! no space or line end that a server might trim, nothing that JSON would escape, and is decoded with a handful of
//! shifts.

/// Length of the stamp at the head of each message: run, sender with sequence number, time.
pub(crate) const STAMP_BYTES: usize = 24;

/// The sender number of probes, which only ask "are you there?" and are not counted.
pub(crate) const PROBE: u16 = u16::MAX;

/// First of the 64 consecutive printable characters that stand for the digits 0 to 63.
const ZERO: u64 = 0x3030_3030_3030_3030;

/// The one of them that JSON escapes, and what stands for it.
const ESCAPED: u8 = b'\\';
const SUBSTITUTE: u8 = b'~';

/// A byte in each place of a word.
const EACH: u64 = 0x0101_0101_0101_0101;

const BITS_48: u64 = (1 << 48) - 1;

/// The decoded stamp of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// As it stands in the message, since it is only compared.
    pub(crate) run: u64,
    pub(crate) sender: u16,
    pub(crate) sequence: u32,
    /// Nanoseconds on the clock of the run.
    pub(crate) time_ns: u64,
}

impl Stamp {
    /// Writes the stamp over the first bytes of a message.
    pub(crate) fn write(&self, message: &mut [u8]) {
        message[..8].copy_from_slice(&self.run.to_be_bytes());
        message[8..16].copy_from_slice(&encode(
            u64::from(self.sender) << 32 | u64::from(self.sequence),
        ));
        message[16..24].copy_from_slice(&encode(self.time_ns));
    }

    /// Reads a stamp. Text of another origin gives a stamp of another run, all but certainly.
    #[inline]
    pub(crate) fn read(bytes: &[u8; STAMP_BYTES]) -> Stamp {
        let number = decode(eight(bytes, 8));
        Stamp {
            run: eight(bytes, 0),
            sender: (number >> 32) as u16,
            sequence: number as u32,
            time_ns: decode(eight(bytes, 16)),
        }
    }
}

/// A random name for a run, so that messages left over from another are not taken for ours.
pub(crate) fn new_run() -> u64 {
    u64::from_be_bytes(encode(fastrand::u64(..=BITS_48)))
}

#[inline]
fn eight(bytes: &[u8; STAMP_BYTES], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_be_bytes(word)
}

fn encode(value: u64) -> [u8; 8] {
    std::array::from_fn(
        |digit| match b'0' + (value >> (42 - 6 * digit) & 63) as u8 {
            ESCAPED => SUBSTITUTE,
            character => character,
        },
    )
}

/// Folds eight six-bit digits, one per byte, into 48 bits: to pairs, to quadruples, to all eight.
#[inline]
fn decode(word: u64) -> u64 {
    // A one in each byte that holds the substitute: of the others, adding 127 sets the highest bit.
    let other = word ^ (EACH * u64::from(SUBSTITUTE));
    let substituted = !(other & (EACH * 0x7f)).wrapping_add(EACH * 0x7f) >> 7 & EACH;
    let word = word ^ (substituted * u64::from(SUBSTITUTE ^ ESCAPED));
    let digits = word.wrapping_sub(ZERO) & 0x3f3f_3f3f_3f3f_3f3f;
    let pairs = digits & 0x003f_003f_003f_003f | (digits & 0x3f00_3f00_3f00_3f00) >> 2;
    let fours = pairs & 0x0000_0fff_0000_0fff | (pairs & 0x0fff_0000_0fff_0000) >> 4;
    fours & 0x00ff_ffff | (fours & 0x00ff_ffff_0000_0000) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_comes_back_as_it_was_and_is_plain_text() {
        for seed in 0..1_000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let stamp = Stamp {
                run: new_run(),
                sender: random.u16(..=PROBE),
                sequence: random.u32(..),
                time_ns: random.u64(..=BITS_48),
            };
            let mut bytes = [0; STAMP_BYTES];
            stamp.write(&mut bytes);
            assert_eq!(Stamp::read(&bytes), stamp);
            assert!(bytes.iter().all(u8::is_ascii_graphic));
            assert!(!bytes.contains(&b'\\') && !bytes.contains(&b'"'));
        }
    }
}
