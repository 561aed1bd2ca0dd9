//! Words and figures that the table and the picture share.

use crate::options::Options;

/// What load was asked for.
pub(super) fn load_line(options: &Options) -> String {
    let senders = match options.senders {
        1 => "1 sender".to_owned(),
        senders => format!("{senders} senders"),
    };
    let senders = match options.rooms.zip(options.members) {
        Some((rooms, members)) => {
            let rooms = grouped(rooms as u64);
            format!("{rooms} rooms of {members}, {senders} in each")
        }
        None => senders,
    };
    match options.rate {
        Some(rate) => format!(
            "{senders}, {rate} messages/s in all, {} bytes",
            options.size
        ),
        None => format!(
            "{senders}, {} in flight each, {} bytes",
            options.window, options.size
        ),
    }
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    groups
        .map(|group| String::from_utf8_lossy(group))
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        assert_eq!(
            [0, 999, 1_000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }
}
