//! Draws the commands of nodes, of their functions, and of what functions are made of.

use std::fs;
use std::path::Path;

use super::now_ms;
use crate::random::Random;
use crate::redis_model::resp::Words;
use crate::redis_model::scripts::name_of;

const ROOMS: [&str; 3] = ["tea", "plant", "ö b"];
const CHANNEL: &str = "parlor:{p1}";

/// The functions of nodes, by the names of their files.
pub(super) fn scripts() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core/redis/scripts");
    let files = fs::read_dir(folder).unwrap().map(|it| it.unwrap().path());
    let mut scripts: Vec<_> = files
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    scripts.sort();
    scripts
}

/// Draws commands.
pub(super) struct Author {
    pub(super) random: Random,
    pub(super) scripts: Vec<(String, Vec<u8>)>,
}

fn words(parts: &[&str]) -> Words {
    parts.iter().map(|it| it.as_bytes().to_vec()).collect()
}

impl Author {
    fn script(&self, name: &str) -> &[u8] {
        let found = self.scripts.iter().find(|(known, _)| known == name);
        &found.unwrap_or_else(|| panic!("there is no {name}.lua")).1
    }

    /// A function with its keys and arguments, by its text or by its name.
    fn call(&mut self, name: &str, keys: &[String], args: &[String]) -> Words {
        let text = self.script(name).to_vec();
        let mut words: Words = match self.random.chance(700) {
            true => vec![b"EVALSHA".to_vec(), name_of(&text).into()],
            false => vec![b"EVAL".to_vec(), text],
        };
        words.push(keys.len().to_string().into());
        words.extend(keys.iter().chain(args).map(|it| it.clone().into_bytes()));
        words
    }

    fn keys(room: &str) -> Vec<String> {
        let kinds = ["room", "log", "state"];
        kinds
            .map(|kind| format!("parlor:{{p1}}:{kind}:{room}"))
            .into()
    }

    fn epoch(&mut self) -> String {
        self.random.pick(&["a1", "b2", "0"]).into()
    }

    fn publish_word(&mut self) -> &'static str {
        self.random.pick(&["PUBLISH", "SPUBLISH"])
    }

    fn publish(&mut self) -> Words {
        let room = self.random.pick(&ROOMS);
        let mut keys = Self::keys(room);
        let id = self.random.below(4);
        let is_sent = self.random.chance(400);
        keys.push(match is_sent {
            true => format!("parlor:{{p1}}:sent:{room}:ana:{id}"),
            false => keys[0].clone(),
        });
        let known = self.random.below(6);
        let known = if self.random.chance(850) { 0 } else { known };
        let is_imported = self.random.chance(200);
        let (not_before, sent_at) = match is_imported {
            true => (self.random.below(30), now_ms() - 200_000),
            false => (0, 0),
        };
        let (count, bytes) = (
            self.random.between(1, 5),
            self.random.pick(&[10, 60, 10_000]),
        );
        let keep_ms = self.random.pick(&[100_000_u64, 3_155_760_000_000]);
        let change = self.random.pick(&["", "", "set", "delete"]);
        let field = self.random.pick(&["boiler", "tank"]);
        let message = "m".repeat(self.random.between(0, 30));
        let sent_ms = if is_sent { "120000" } else { "0" };
        let mut args = vec![
            self.publish_word().to_owned(),
            CHANNEL.into(),
            room.to_owned(),
        ];
        args.extend([
            format!("n1:{}", self.random.below(9)),
            self.epoch(),
            known.to_string(),
            self.random.pick(&["c3", "d4"]).to_owned(),
            not_before.to_string(),
            sent_at.to_string(),
            count.to_string(),
            bytes.to_string(),
            keep_ms.to_string(),
            "31557600000".into(),
            sent_ms.into(),
            change.into(),
            if change.is_empty() {
                String::new()
            } else {
                field.to_owned()
            },
            message,
            if change == "set" {
                format!("v{id}")
            } else {
                String::new()
            },
            self.condition(change),
        ]);
        self.call("publish", &keys, &args)
    }

    /// What the state of a key has to be, which often is not.
    fn condition(&mut self, change: &str) -> String {
        match change.is_empty() || self.random.chance(600) {
            true => String::new(),
            false if self.random.chance(500) => "new".to_owned(),
            false => format!("{} {}", self.epoch(), self.random.below(6)),
        }
    }

    fn load(&mut self) -> Words {
        let keys = Self::keys(self.random.pick(&ROOMS));
        let known = if self.random.chance(800) {
            0
        } else {
            self.random.below(6)
        };
        let args = [
            self.epoch(),
            known.to_string(),
            "e5".into(),
            "60000".into(),
            self.random.between(1, 6).to_string(),
        ];
        self.call("load", &keys, &args)
    }

    fn forget_room(&mut self) -> Words {
        let room = self.random.pick(&ROOMS);
        let epoch = self.random.pick(&["a1", "c3", "d4", "e5"]);
        let args = [self.publish_word(), CHANNEL, room, epoch].map(str::to_owned);
        let keys = [Self::keys(room), Self::list_keys()[..2].into()].concat();
        self.call("forget_room", &keys, &args)
    }

    fn list_keys() -> Vec<String> {
        ["listed", "until", "begun"]
            .map(|kind| format!("parlor:{{p1}}:{kind}"))
            .into()
    }

    /// Rooms that are in use, of which some are over at once.
    fn list(&mut self) -> Words {
        if self.random.chance(200) {
            let until = &Self::list_keys()[1];
            return words(&["ZADD", until, "5", self.random.pick(&ROOMS)]);
        }
        let is_over = self.random.chance(100);
        let ttl = if is_over { "-5" } else { "40000" };
        let (word, prefix) = (self.publish_word(), "parlor:{p1}:room:");
        let kept = self.random.between(1, 4).to_string();
        let args = [ttl, word, CHANNEL, prefix, &kept, "60000"];
        let mut args = args.map(str::to_owned).to_vec();
        for _ in 0..self.random.between(1, 3) {
            args.push(self.random.pick(&ROOMS).to_owned());
        }
        self.call("list", &Self::list_keys(), &args)
    }

    fn rooms(&mut self) -> Words {
        let from = self.random.pick(&["[", "[t", "(plant", "(tea"]);
        let to = self.random.pick(&["(\u{10ffff}", "(t\u{10ffff}", "[plant"]);
        let count = self.random.between(1, 3).to_string();
        let args = [from, to, &count].map(str::to_owned);
        self.call("rooms", &Self::list_keys()[..2], &args)
    }

    /// Which rooms have begun: the numbers are times, which are not compared.
    fn begun(&mut self) -> Words {
        let after = self.random.pick(&["0", "5", "9223372036854775807"]);
        let args = [after, "2"].map(str::to_owned);
        self.call("begun", &Self::list_keys()[2..], &args)
    }

    fn count(&mut self) -> Words {
        let of_rooms =
            |kind: &str, end: &str| ROOMS.map(|room| format!("parlor:{{p1}}:{kind}:{room}{end}"));
        self.call("count", &of_rooms("nodes", ""), &of_rooms("here", ":"))
    }

    fn here_keys(room: &str, node: &str) -> Vec<String> {
        vec![
            format!("parlor:{{p1}}:nodes:{room}"),
            format!("parlor:{{p1}}:here:{room}:{node}"),
        ]
    }

    /// Who is in a room at a node.
    fn tell(&mut self) -> Words {
        let room = self.random.pick(&ROOMS);
        let node = self.random.pick(&["n1", "n2", "n3"]);
        let sequence = self.random.between(1, 5);
        let after = self.random.pick(&[0, 0, sequence - 1]);
        let present = self.random.below(3);
        let mut args = vec![
            self.publish_word().to_owned(),
            CHANNEL.into(),
            node.into(),
            format!("p {node} {room}\n"),
            sequence.to_string(),
            after.to_string(),
            self.random.below(3).to_string(),
            "40000".into(),
            present.to_string(),
        ];
        for _ in 0..present {
            let person = self.random.below(4);
            args.extend([person.to_string(), format!("guest-{person}")]);
        }
        if after > 0 {
            args.push(self.random.below(4).to_string());
        }
        self.call("tell", &Self::here_keys(room, node), &args)
    }

    fn push_keys() -> Vec<String> {
        ["at", "subscriptions", "subscriptions:order"]
            .map(|kind| format!("parlor:{{p1}}:push:{kind}"))
            .into()
    }

    /// Something of push, of which there may be few.
    fn push_keep(&mut self) -> Words {
        let args = [
            self.publish_word(),
            CHANNEL,
            self.random.pick(&["a1", "b2"]),
            "s",
            self.random.pick(&["1", "2", "3", "é b"]),
            self.random.pick(&["", "one", "other"]),
            self.random.pick(&["", "", "back"]),
            self.random.pick(&["1", "2", "9"]),
            self.random.pick(&["", "oldest"]),
            "900000",
        ];
        let mut keys = Self::push_keys();
        keys.push(format!("parlor:{{p1}}:push:gone:{}", args[4]));
        self.call("push_keep", &keys, &args.map(str::to_owned))
    }

    fn push_page(&mut self) -> Words {
        let after = self.random.below(9).to_string();
        let count = self.random.between(1, 3).to_string();
        self.call("push_page", &Self::push_keys(), &[after, count])
    }

    fn keep_state(&mut self) -> Words {
        let keys = &Self::keys(self.random.pick(&ROOMS))[2..];
        let offset = self.random.below(8).to_string();
        let args = [
            "boiler".to_owned(),
            offset.clone(),
            format!("{offset} 7\nkept"),
        ];
        self.call("keep_state", keys, &args)
    }

    fn file_keys() -> Vec<String> {
        ["links", "times", "space"]
            .map(|kind| format!("parlor:{{files}}:{kind}"))
            .into()
    }

    /// Links of a few files, in a few rooms, within limits that are soon reached.
    fn keep_file(&mut self) -> Words {
        let room = self.random.pick(&["tea", "plant"]);
        let owner = self.random.pick(&["ana", "bob"]);
        let id = format!("{:032x}", self.random.below(12));
        let bytes = self.random.below(40).to_string();
        let epoch = self.random.pick(&["a1", "b2"]);
        let link = format!("{epoch} {bytes} {room} {owner}\npacked");
        let of = [("room", room), ("owner", owner)];
        let of = of.map(|(kind, name)| format!("parlor:{{files}}:{kind}:{name}"));
        let keys = [Self::file_keys(), of.into()].concat();
        let mut args = vec![id, bytes, link];
        args.extend(["8", "200", "5", "120", "90"].map(str::to_owned));
        self.call("keep_file", &keys, &args)
    }

    fn forget_files(&mut self) -> Words {
        let prefixes = ["room", "owner"].map(|kind| format!("parlor:{{files}}:{kind}:"));
        let count = self.random.between(1, 4).to_string();
        let id = format!("{:032x}", self.random.below(12));
        let which = match self.random.below(6) {
            0 => vec![
                "room",
                self.random.pick(&["tea", "plant"]),
                self.random.pick(&["a1", "b2"]),
            ],
            1 => vec!["owner", self.random.pick(&["ana", "bob"])],
            // Which of those that came in one moment is older, two clocks need not agree on.
            2 => vec!["old", "600000"],
            _ => vec!["one", &id],
        };
        let mut args = [&prefixes[..], &[count]].concat();
        args.extend(which.into_iter().map(str::to_owned));
        self.call("forget_files", &Self::file_keys(), &args)
    }

    /// What nodes ask for without a function.
    fn plain(&mut self) -> Words {
        let keys = Self::keys(self.random.pick(&ROOMS));
        let [room, log, state] = &keys[..] else {
            unreachable!("a room has three keys")
        };
        let after = format!("({}-0", self.random.below(12));
        let count = self.random.between(1, 4).to_string();
        match self.random.below(13) {
            11 => words(&["HGETALL", "parlor:{files}:space"]),
            12 => {
                let id = format!("{:032x}", self.random.below(12));
                words(&["HMGET", "parlor:{files}:links", &id, "none"])
            }
            0 => words(&["HMGET", room, "epoch", "offset"]),
            1 => words(&["XRANGE", log, &after, "+", "COUNT", &count]),
            2 => words(&["XREVRANGE", log, &after, "-", "COUNT", &count]),
            3 => words(&["XREVRANGE", log, "+", &after, "COUNT", &count]),
            4 => words(&["HGETALL", state]),
            5 => words(&["XLEN", log]),
            6 => words(&["PTTL", self.random.pick(&[room, log, state])]),
            7 => words(&[self.publish_word(), CHANNEL, "s 1700 n2 tea\nbytes"]),
            8 => words(&["CLIENT", "KILL", "ID", "123456789"]),
            9 => words(&["EXISTS", room, log, state]),
            _ => words(&["SCRIPT", "FLUSH"]),
        }
    }

    /// What a function may call, on a few keys, also where they hold something else.
    fn primitive(&mut self) -> Words {
        let key = self.random.pick(&["k1", "k2", "k3"]);
        let field = self.random.pick(&["f", "g", "h"]);
        let number = self.random.pick(&["0", "1", "5", "-3", "x", "12"]);
        let id = format!("{}-{}", self.random.below(6), self.random.below(3));
        let range = ["-", "+", "3", "(3", "2-1", "(2-1", "(0-0", "x"];
        let (from, to) = (self.random.pick(&range), self.random.pick(&range));
        let scores = ["-inf", "+inf", "1", "(1", "5", "x"];
        let (least, most) = (self.random.pick(&scores), self.random.pick(&scores));
        match self.random.below(40) {
            0 => words(&["SET", key, number]),
            1 => words(&["SET", key, number, "PX", "900000"]),
            2 => words(&["SET", key, number, "NX", "EX", "900"]),
            3 => words(&["GET", key]),
            4 => words(&["INCR", key]),
            5 => words(&["INCRBY", key, number]),
            6 => words(&["DEL", key, "k3"]),
            7 => words(&["PEXPIRE", key, self.random.pick(&["900000", "0", "x"])]),
            8 => words(&["EXPIRE", key, "900"]),
            9 => words(&["PTTL", key]),
            10 => words(&["HSET", key, field, number]),
            11 => words(&["HSET", key, field, number, "z", "1"]),
            12 => words(&["HGET", key, field]),
            13 => words(&["HMGET", key, field, "z"]),
            14 => words(&["HGETALL", key]),
            15 => words(&["HDEL", key, field, "z"]),
            16 => words(&["HINCRBY", key, field, number]),
            17 => words(&["HLEN", key]),
            18 => words(&["HEXISTS", key, field]),
            19 => words(&["HKEYS", key]),
            20 => words(&["HVALS", key]),
            21 => words(&["SADD", key, field, number]),
            22 => words(&["SREM", key, field, "g"]),
            23 => words(&["SMEMBERS", key]),
            24 => words(&["SISMEMBER", key, field]),
            25 => words(&["ZADD", key, number, field]),
            26 => words(&["ZREM", key, field]),
            27 => words(&["ZRANGEBYSCORE", key, least, most]),
            28 => words(&["ZREMRANGEBYSCORE", key, least, most]),
            29 => words(&["XADD", key, &id, field, number]),
            30 => words(&["XDEL", key, &id]),
            31 => words(&["XRANGE", key, from, to]),
            32 => words(&["XREVRANGE", key, from, to, "COUNT", number]),
            33 => words(&["ZRANGEBYSCORE", key, least, most, "LIMIT", "1", number]),
            34 => words(&["ZRANGE", key, number, self.random.pick(&["-1", "1", "x"])]),
            35..=36 => words(&["ZADD", "same", "0", field]),
            37..=38 => {
                let names = ["-", "+", "[f", "(f", "[g\u{ff}", "(h", "x"];
                let (from, to) = (self.random.pick(&names), self.random.pick(&names));
                let key = self.random.pick(&["same", "gone"]);
                words(&["ZRANGE", key, from, to, "BYLEX", "LIMIT", "0", number])
            }
            _ => words(&["XTRIM", key, "MAXLEN", self.random.pick(&["0", "2"])]),
        }
    }

    /// More that is about the form of commands and functions.
    fn odd(&mut self) -> Words {
        let of_script = |text: &str| words(&["EVAL", text, "1", "k1", "5"]);
        match self.random.below(16) {
            0 => words(&["PING"]),
            1 => words(&["SCARD", "k1"]),
            2 => words(&["ZCARD", "k2"]),
            3 => words(&["ZSCORE", "k2", "f"]),
            4 => words(&["GET"]),
            5 => words(&["HSET", "k1", "f"]),
            6 => words(&["EVALSHA", "0123456789012345678901234567890123456789", "0"]),
            7 => of_script("return {1, 2.7, 'a', false, 3}"),
            8 => of_script("return {1, nil, 3}"),
            9 => of_script("return redis.error_reply('BAD it is')"),
            10 => of_script("return redis.status_reply('FINE')"),
            11 => of_script("return redis.pcall('INCRBY', KEYS[1], ARGV[1]).err or 'well'"),
            12 => of_script("return redis.call('INCRBY', KEYS[1], ARGV[1])"),
            13 => of_script("return redis.call('SET', KEYS[1], 1.0 * ARGV[1])"),
            14 => of_script("return redis.call('HGETALL', KEYS[1])"),
            _ => of_script("return true"),
        }
    }

    /// What the one who listens says.
    pub(super) fn of_listener(&mut self) -> Words {
        let channels = [CHANNEL, "parlor:{p1}:other"];
        let channel = self.random.pick(&channels);
        match self.random.below(10) {
            0..=2 => words(&["SUBSCRIBE", channel]),
            3..=5 => words(&["SSUBSCRIBE", channel]),
            6 => words(&["UNSUBSCRIBE", channel]),
            7 => words(&["SUNSUBSCRIBE", channel]),
            8 => words(&[self.random.pick(&["UNSUBSCRIBE", "SUNSUBSCRIBE"])]),
            _ => words(&["GET", "k1"]),
        }
    }

    pub(super) fn next(&mut self) -> Words {
        match self.random.below(100) {
            0..=20 => self.publish(),
            21..=23 => self.push_keep(),
            24 => self.push_page(),
            25..=28 => self.list(),
            29 => self.rooms(),
            30 => self.begun(),
            31 => self.count(),
            32..=34 => self.tell(),
            35..=37 => self.keep_file(),
            38 => self.forget_files(),
            39..=42 => self.load(),
            43..=44 => self.forget_room(),
            45..=48 => self.keep_state(),
            49..=64 => self.plain(),
            65..=92 => self.primitive(),
            _ => self.odd(),
        }
    }
}
