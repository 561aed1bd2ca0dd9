//! Files: their rows beside the messages, and their bytes in the folder.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use super::{Outcome, Place, Shop, record};
use crate::core::file::{FileAnswer, FileId, FileRequest, KeptFile, PlacedFile, ReadTicket, Size};
use crate::core::store::{Answer, Append, Durability, Request};
use crate::settings::Limits;
use crate::shell::clock::unix_ms;

fn id(number: u8) -> FileId {
    FileId::parse(&format!("{number:032x}")).unwrap()
}

fn file(number: u8) -> KeptFile {
    KeptFile {
        id: id(number),
        name: "my cat.png".into(),
        content_type: "image/png".into(),
        bytes: 5,
        size: Some(Size {
            width: 640,
            height: 480,
        }),
        owner: "at 127.0.0.1".into(),
        at_ms: 7,
    }
}

impl Place {
    fn files(&self) -> PathBuf {
        self.0.join("files")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.files()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }
}

impl Shop {
    fn ask_folder(&self, request: FileRequest) {
        self.store.folder.as_ref().unwrap().ask(request);
    }

    fn file_answer(&mut self) -> FileAnswer {
        match self.outcome() {
            Outcome::File(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// Stores five bytes, and the message that tells of them.
    fn store_file(&mut self, room: &str, number: u8) {
        let id = id(number);
        self.ask_folder(FileRequest::Write {
            id,
            bytes: b"hello".to_vec(),
        });
        assert_eq!(self.file_answer(), FileAnswer::Written { id, bytes: 5 });
        self.ask_folder(FileRequest::Finish { id, bytes: 5 });
        assert_eq!(self.file_answer(), FileAnswer::Finished { id });
        let append = Append {
            state: None,
            ticket: self.ticket(),
            room: room.into(),
            epoch: 3,
            // Old messages go by themselves.
            at_ms: unix_ms(),
            offset: None,
            not_before: 0,
            record: record("a file"),
            file: Some(Box::new(file(number))),
            condition: None,
        };
        self.ask(Request::Append(append));
        assert!(matches!(self.answer(), Answer::Accepted { .. }));
    }

    fn read_file(&mut self, number: u8, from: u64, length: usize) -> Vec<u8> {
        let ticket = ReadTicket::for_test(1);
        self.ask_folder(FileRequest::Read {
            ticket,
            id: id(number),
            from,
            length,
        });
        match self.file_answer() {
            FileAnswer::Read { bytes, .. } => bytes,
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_file_is_there_again_with_its_message() {
    let place = Place::new("file");
    let mut shop = Shop::open(&place);
    shop.append("tea", 3, record("before"));
    shop.answer();
    shop.store_file("tea", 9);
    assert_eq!(shop.read_file(9, 1, 3), b"ell");
    assert!(shop.read_file(9, 3, 3).is_empty(), "there are not as many");
    assert!(shop.read_file(8, 0, 1).is_empty(), "there is none");
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(place.files()), 0o700);
    assert_eq!(mode(place.files().join(id(9).to_string())), 0o600);
    shop.store.close().unwrap();
    let shop = Shop::open(&place);
    let placed = PlacedFile {
        room: "tea".into(),
        epoch: 3,
        offset: 2,
        file: file(9),
    };
    assert_eq!(shop.inventory.files, [placed]);
}

#[test]
fn what_was_left_when_a_server_ended_is_removed() {
    let place = Place::new("left");
    let mut shop = Shop::open(&place);
    shop.store_file("tea", 1);
    shop.store_file("tea", 2);
    // It has come, and its message was never accepted.
    shop.ask_folder(FileRequest::Write {
        id: id(3),
        bytes: vec![1],
    });
    shop.ask_folder(FileRequest::Finish {
        id: id(3),
        bytes: 1,
    });
    // It has not come to its end.
    shop.ask_folder(FileRequest::Write {
        id: id(4),
        bytes: vec![1],
    });
    shop.store.close().unwrap();
    assert_eq!(place.names().len(), 4);
    fs::remove_file(place.files().join(id(2).to_string())).unwrap();
    let shop = Shop::open(&place);
    assert_eq!(place.names(), [id(1).to_string()]);
    let known =
        |shop: &Shop| -> Vec<FileId> { shop.inventory.files.iter().map(|it| it.file.id).collect() };
    assert_eq!(known(&shop), [id(1)]);
    shop.store.close().unwrap();
    let left: i64 = place
        .database()
        .query_row("SELECT count(*) FROM files", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 1, "the row of the file that is missing is gone, too");
}

#[test]
fn files_go_with_the_messages_that_are_too_many() {
    let place = Place::new("retained");
    let limits = Limits {
        retain: 2,
        ..Limits::default()
    };
    let mut shop = Shop::open_with(&place, Durability::Disk, &limits).unwrap();
    for number in 1..=2 {
        shop.store_file("tea", number);
    }
    shop.store_file("milk", 3);
    let mut forgotten = Vec::new();
    for _ in 0..3 {
        shop.append("tea", 3, record("more"));
    }
    while forgotten.len() < 2 {
        match shop.outcome() {
            Outcome::FilesForgotten(ids) => forgotten.extend(ids),
            Outcome::Answer(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(forgotten, [id(1), id(2)]);
    shop.ask(Request::ForgetRoom {
        room: "milk".into(),
        epoch: 3,
    });
    shop.store.close().unwrap();
    assert!(Shop::open(&place).inventory.files.is_empty());
    assert!(place.names().is_empty());
}

#[test]
fn a_file_that_is_not_whole_is_not_kept() {
    let place = Place::new("not-whole");
    let mut shop = Shop::open(&place);
    let id = id(1);
    shop.ask_folder(FileRequest::Write { id, bytes: vec![1] });
    assert_eq!(shop.file_answer(), FileAnswer::Written { id, bytes: 1 });
    shop.ask_folder(FileRequest::Finish { id, bytes: 2 });
    let is_full = false;
    assert_eq!(shop.file_answer(), FileAnswer::Failed { id, is_full });
    assert!(place.names().is_empty());
    shop.store.close().unwrap();
}

#[test]
fn a_folder_that_takes_nothing_says_so() {
    let place = Place::new("unwritable");
    let mut shop = Shop::open(&place);
    let id = id(1);
    // A folder in the place of the file cannot be written, whoever the user is.
    fs::create_dir(place.files().join(format!("{id}.part"))).unwrap();
    shop.ask_folder(FileRequest::Write { id, bytes: vec![1] });
    let failed = FileAnswer::Failed { id, is_full: false };
    assert_eq!(shop.file_answer(), failed);
    fs::remove_dir(place.files().join(format!("{id}.part"))).unwrap();
    shop.ask_folder(FileRequest::Finish { id, bytes: 1 });
    assert_eq!(shop.file_answer(), failed, "there is none");
    shop.ask_folder(FileRequest::Write { id, bytes: vec![1] });
    shop.ask_folder(FileRequest::Remove { id });
    shop.store.close().unwrap();
    assert!(place.names().is_empty());
}
