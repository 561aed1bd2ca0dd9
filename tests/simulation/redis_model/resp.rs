//! Commands to a Redis, and what it answers, as bytes (RESP2).

/// What Redis answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reply {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    Nil,
    Array(Vec<Reply>),
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Simple("OK".into())
    }

    pub(crate) fn error(text: impl Into<String>) -> Self {
        Self::Error(text.into())
    }

    pub(crate) fn bulk(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Bulk(bytes.into())
    }

    pub(crate) fn count(count: usize) -> Self {
        Self::Integer(count as i64)
    }

    /// A value, or none.
    pub(crate) fn of(value: Option<impl Into<Vec<u8>>>) -> Self {
        value.map_or(Self::Nil, |it| Self::Bulk(it.into()))
    }

    /// Appends it.
    pub(crate) fn write(&self, output: &mut Vec<u8>) {
        match self {
            Self::Simple(text) => output.extend(format!("+{text}\r\n").bytes()),
            Self::Error(text) => output.extend(format!("-{text}\r\n").bytes()),
            Self::Integer(number) => output.extend(format!(":{number}\r\n").bytes()),
            Self::Bulk(bytes) => {
                output.extend(format!("${}\r\n", bytes.len()).bytes());
                output.extend_from_slice(bytes);
                output.extend_from_slice(b"\r\n");
            }
            Self::Nil => output.extend_from_slice(b"$-1\r\n"),
            Self::Array(replies) => {
                output.extend(format!("*{}\r\n", replies.len()).bytes());
                replies.iter().for_each(|it| it.write(output));
            }
        }
    }

    /// The first reply of these bytes and its length, if all of it is there.
    pub(crate) fn parse(input: &[u8]) -> Option<(Self, usize)> {
        let end = input.windows(2).position(|it| it == b"\r\n")?;
        let line = std::str::from_utf8(&input[..end]).expect("a line of RESP is text");
        let (kind, rest) = line.split_at(1);
        let after = end + 2;
        let number = || rest.parse::<i64>().expect("it is a number");
        Some(match kind {
            "+" => (Self::Simple(rest.into()), after),
            "-" => (Self::Error(rest.into()), after),
            ":" => (Self::Integer(number()), after),
            "$" | "*" if number() < 0 => (Self::Nil, after),
            "$" => {
                let end = after + number() as usize;
                let bytes = input.get(after..end + 2)?;
                (Self::bulk(&bytes[..bytes.len() - 2]), end + 2)
            }
            "*" => {
                let (mut replies, mut at) = (Vec::new(), after);
                for _ in 0..number() {
                    let (reply, length) = Self::parse(&input[at..])?;
                    replies.push(reply);
                    at += length;
                }
                (Self::Array(replies), at)
            }
            _ => panic!("{line:?} is not RESP"),
        })
    }
}

/// The words of a command.
pub(crate) type Words = Vec<Vec<u8>>;

/// Appends a command.
pub(crate) fn write_command(words: &[impl AsRef<[u8]>], output: &mut Vec<u8>) {
    let words = words.iter().map(|it| Reply::bulk(it.as_ref()));
    Reply::Array(words.collect()).write(output);
}

/// The first command of these bytes and its length, if all of it is there.
pub(crate) fn parse_command(input: &[u8]) -> Option<(Words, usize)> {
    let (reply, length) = Reply::parse(input)?;
    let Reply::Array(words) = reply else {
        panic!("{reply:?} is not a command");
    };
    let words = words.into_iter().map(|word| match word {
        Reply::Bulk(bytes) => bytes,
        other => panic!("{other:?} is not a word of a command"),
    });
    Some((words.collect(), length))
}
