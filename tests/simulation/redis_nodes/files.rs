//! Files that nodes share, with the real functions: each node has what another has taken, and nothing is left of what was not
//! answered.

use parlor::limits::{ORPHAN_MS, ORPHANS_SEARCH_MS};
use serde_json::Value;

use crate::reader::Seen;
use crate::redis_model::Kept;
use crate::redis_nodes::cluster::{Cluster, Place};

fn connect(cluster: &mut Cluster, node: usize) -> Place {
    (node, cluster.hall(node).connect(usize::MAX))
}

/// Begins to send a file: so many bytes of it.
fn begin(cluster: &mut Cluster, node: usize, bytes: &[u8], length: usize) -> Place {
    let (node, guest) = connect(cluster, node);
    let head = format!(
        "PUT /rooms/tea/files/a.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n"
    );
    let hall = cluster.hall(node);
    hall.request(guest, head.as_bytes());
    hall.send(guest, bytes);
    (node, guest)
}

fn answer(cluster: &mut Cluster, (node, guest): Place) -> (u16, Vec<u8>) {
    for _ in 0..200 {
        cluster.pass(100);
        match cluster.hall(node).read(guest).pop() {
            Some(Seen::Response { status, body, .. }) => return (status, body),
            None => {}
            other => panic!("expected a response, not {other:?}"),
        }
    }
    panic!("there is no answer");
}

fn upload(cluster: &mut Cluster, node: usize, bytes: &[u8]) -> Result<String, u16> {
    let place = begin(cluster, node, bytes, bytes.len());
    let (status, body) = answer(cluster, place);
    if status != 201 {
        return Err(status);
    }
    let json: Value = serde_json::from_slice(&body).unwrap();
    Ok(json["data"]["file"]["href"].as_str().unwrap().to_owned())
}

fn ask(cluster: &mut Cluster, node: usize, line: &str, fields: &str) -> (u16, Vec<u8>) {
    let place = connect(cluster, node);
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n");
    cluster.hall(node).request(place.1, request.as_bytes());
    answer(cluster, place)
}

fn get(cluster: &mut Cluster, node: usize, href: &str) -> (u16, Vec<u8>) {
    ask(cluster, node, &format!("GET {href}"), "")
}

fn statuses(cluster: &mut Cluster, href: &str) -> Vec<u16> {
    let nodes = 0..cluster.nodes();
    nodes.map(|node| get(cluster, node, href).0).collect()
}

/// So much time passes, in large steps.
fn wait(cluster: &mut Cluster, ms: u64) {
    for _ in 0..ms / 1_000 {
        cluster.tick(1_000);
    }
}

fn started(nodes: usize, wait_ms: u64, flags: &[&'static str]) -> Cluster {
    let mut cluster = Cluster::with_flags(5, nodes, wait_ms, flags);
    cluster.pass(3_000);
    cluster
}

#[test]
fn a_file_is_at_all_nodes_at_once() {
    let mut cluster = started(3, 0, &[]);
    for node in 0..3 {
        let bytes = vec![b'a' + node as u8; 100_000];
        let href = upload(&mut cluster, node, &bytes).unwrap();
        for reader in 0..3 {
            assert!(get(&mut cluster, reader, &href) == (200, bytes.clone()));
            let line = format!("GET {href}");
            let part = ask(&mut cluster, reader, &line, "Range: bytes=-5\r\n");
            assert_eq!(part, (206, bytes[..5].to_vec()));
            let etag = href.split('/').nth(2).unwrap();
            let field = format!("If-None-Match: \"{etag}\"\r\n");
            assert_eq!(ask(&mut cluster, reader, &line, &field), (304, Vec::new()));
        }
    }
    let nowhere = format!("/files/{}/a", "0".repeat(32));
    assert_eq!(statuses(&mut cluster, &nowhere), [404; 3]);
    cluster.pass(61_000);
    let (_, metrics) = ask(&mut cluster, 1, "GET /metrics", "");
    let metrics = String::from_utf8(metrics).unwrap();
    assert!(
        metrics.contains("\nparlor_file_bytes 300000\n"),
        "{metrics}"
    );
    // Nobody has files of another node's among those on their way.
    assert_eq!(cluster.folder.files.len(), 3);
}

#[test]
fn a_room_that_is_emptied_takes_its_files_with_it() {
    let mut cluster = started(3, 0, &[]);
    let hrefs: Vec<String> = (0..3)
        .map(|node| upload(&mut cluster, node, b"hello").unwrap())
        .collect();
    assert_eq!(ask(&mut cluster, 1, "DELETE /rooms/tea", "").0, 204);
    cluster.pass(2_000);
    for href in &hrefs {
        assert_eq!(statuses(&mut cluster, href), [404; 3]);
    }
    assert!(cluster.folder.is_empty());
    let href = upload(&mut cluster, 2, b"hello again").unwrap();
    assert_eq!(statuses(&mut cluster, &href), [200; 3]);
}

#[test]
fn files_end_in_time_and_with_what_their_owner_has() {
    let mut cluster = started(3, 0, &["--file-time", "600"]);
    let href = upload(&mut cluster, 0, b"hello").unwrap();
    wait(&mut cluster, 500_000);
    assert_eq!(
        statuses(&mut cluster, &href),
        [200; 3],
        "whatever their clocks say"
    );
    wait(&mut cluster, 200_000);
    assert_eq!(statuses(&mut cluster, &href), [404; 3]);
    assert!(cluster.folder.is_empty());

    upload(&mut cluster, 0, b"hello").unwrap();
    let (_, usage) = ask(&mut cluster, 0, "GET /usage", "");
    let usage = String::from_utf8(usage).unwrap();
    assert!(usage.contains("\"file_bytes\":5"), "{usage}");
    let line = "DELETE /usage?address=127.0.0.1";
    assert_eq!(ask(&mut cluster, 2, line, "").0, 204);
    cluster.pass(2_000);
    assert!(cluster.folder.is_empty());
}

#[test]
fn limits_hold_for_all_nodes_together() {
    let mut cluster = started(3, 0, &["--max-room-files", "3", "--file-quota", "100"]);
    assert!(upload(&mut cluster, 0, &[1; 60]).is_ok());
    assert_eq!(upload(&mut cluster, 1, &[1; 60]), Err(507));
    assert!(upload(&mut cluster, 1, &[1; 20]).is_ok());
    assert!(upload(&mut cluster, 2, &[1; 20]).is_ok());
    assert_eq!(upload(&mut cluster, 0, b""), Err(507));
    assert_eq!(cluster.folder.files.len(), 3);
    // There is place again for what is gone.
    assert_eq!(ask(&mut cluster, 1, "DELETE /rooms/tea", "").0, 204);
    cluster.pass(2_000);
    assert!(upload(&mut cluster, 0, &[1; 100]).is_ok());
}

#[test]
fn without_redis_an_upload_leaves_nothing() {
    for wait_ms in [0, 5_000] {
        let mut cluster = started(2, wait_ms, &[]);
        let href = upload(&mut cluster, 0, b"hello").unwrap();
        let bytes = vec![7; 300_000];
        let place = begin(&mut cluster, 0, &bytes[..200_000], bytes.len());
        cluster.pass(1_000);
        assert_eq!(cluster.folder.parts.len(), 1);
        cluster.redis.stop();
        cluster.hall(0).send(place.1, &bytes[200_000..]);
        assert_eq!(answer(&mut cluster, place).0, 503);
        assert_eq!(get(&mut cluster, 1, &href).0, 503);
        assert_eq!(
            (cluster.folder.parts.len(), cluster.folder.files.len()),
            (0, 1)
        );
        cluster.redis.heal();
        cluster.pass(20_000);
        assert_eq!(statuses(&mut cluster, &href), [200; 2]);
        cluster.pass(61_000);
        let (_, metrics) = ask(&mut cluster, 0, "GET /metrics", "");
        let metrics = String::from_utf8(metrics).unwrap();
        assert!(
            metrics.contains("\nparlor_files 1\n"),
            "a link is left: {metrics}"
        );
    }
}

#[test]
fn what_a_node_leaves_that_dies_is_removed_and_nothing_else() {
    let mut cluster = started(2, 0, &[]);
    let href = upload(&mut cluster, 1, b"hello").unwrap();
    let bytes = vec![7; 200_000];
    begin(&mut cluster, 0, &bytes, 300_000);
    let slow = begin(&mut cluster, 1, &bytes, 300_000);
    cluster.pass(1_000);
    assert_eq!(cluster.folder.parts.len(), 2);
    cluster.kill(0);
    // One whose link was never kept.
    let id = *cluster.folder.files.keys().next().unwrap();
    let orphan = format!("{:032x}", 1);
    let orphan = parlor::core::file::FileId::parse(&orphan).unwrap();
    cluster
        .folder
        .files
        .insert(orphan, (cluster.folder.now_ms, vec![1]));
    wait(&mut cluster, ORPHAN_MS - 10_000);
    assert_eq!(
        (cluster.folder.parts.len(), cluster.folder.files.len()),
        (2, 2)
    );
    wait(&mut cluster, ORPHANS_SEARCH_MS + 60_000);
    assert_eq!(
        cluster.folder.parts.len(),
        1,
        "that which goes on is left alone"
    );
    assert_eq!(cluster.folder.files.keys().collect::<Vec<_>>(), [&id]);
    cluster.hall(1).send(slow.1, &[7; 100_000]);
    assert_eq!(answer(&mut cluster, slow).0, 201);
    assert_eq!(statuses(&mut cluster, &href), [200; 2]);
}

#[test]
fn a_redis_that_has_lost_everything_does_not_lose_files_at_once() {
    let mut cluster = started(2, 0, &[]);
    let href = upload(&mut cluster, 0, b"hello").unwrap();
    cluster.redis.save();
    cluster.redis.start(Kept::Nothing);
    wait(&mut cluster, ORPHAN_MS + 2 * ORPHANS_SEARCH_MS);
    assert_eq!(statuses(&mut cluster, &href), [404; 2]);
    assert_eq!(cluster.folder.files.len(), 1);
    cluster.redis.start(Kept::Saved);
    cluster.pass(10_000);
    assert_eq!(statuses(&mut cluster, &href), [200; 2]);
    // With a new file it is certain that this is the Redis to ask.
    cluster.redis.start(Kept::Nothing);
    cluster.pass(10_000);
    upload(&mut cluster, 1, b"hello again").unwrap();
    wait(&mut cluster, 2 * ORPHANS_SEARCH_MS);
    assert_eq!(cluster.folder.files.len(), 1);
    assert_eq!(statuses(&mut cluster, &href), [404; 2]);
}

#[test]
fn an_upload_outlasts_a_handover() {
    let mut cluster = started(2, 0, &[]);
    let bytes = vec![7; 300_000];
    let place = begin(&mut cluster, 0, &bytes[..200_000], bytes.len());
    cluster.pass(1_000);
    cluster.hold(0);
    cluster.pass(2_000);
    assert_eq!(cluster.handovers, 1);
    cluster.hall(0).send(place.1, &bytes[200_000..]);
    let (status, body) = answer(&mut cluster, place);
    assert_eq!(status, 201);
    let json: Value = serde_json::from_slice(&body).unwrap();
    let href = json["data"]["file"]["href"].as_str().unwrap();
    assert!(get(&mut cluster, 1, href) == (200, bytes));
}
