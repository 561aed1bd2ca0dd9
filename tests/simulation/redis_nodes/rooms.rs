//! Lists of rooms, as the real functions make them.

use parlor::limits::NODE_TTL_MS;
use serde_json::{Value, json};

use crate::redis_nodes::cluster::{Cluster, Place};

/// Someone in these rooms.
pub(super) fn member(cluster: &mut Cluster, node: usize, rooms: &[&str]) -> Place {
    let place = cluster.come(node);
    for room in rooms {
        cluster.say(place, &json!({"type": "join", "room": room}));
    }
    let mut joined = 0;
    while joined < rooms.len() {
        cluster.pass(1_000);
        let events = cluster.read(place);
        joined += events.iter().filter(|it| it["type"] == "joined").count();
        assert!(events.iter().all(|it| it["type"] != "error"), "{events:?}");
    }
    place
}

/// What somebody is answered who asks for the rooms.
fn listed(cluster: &mut Cluster, place: Place) -> Value {
    cluster.read(place);
    cluster.say(place, &json!({"type": "rooms", "id": "asked"}));
    cluster.pass(1_000);
    let answer = cluster
        .read(place)
        .into_iter()
        .find(|it| it["id"] == "asked");
    answer.expect("it is answered")
}

#[test]
fn the_rooms_of_all_nodes_are_listed_as_long_as_they_are_in_use() {
    let mut cluster = Cluster::new(3, 3, 0);
    cluster.pass(2_000);
    let names: Vec<String> = (0..400).map(|it| format!("room-{it:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (at, part) in names.chunks(80).enumerate() {
        member(&mut cluster, at % 2, part);
    }
    let alone = member(&mut cluster, 2, &["ale", "room-399"]);
    cluster.pass(1_000);
    let answer = listed(&mut cluster, alone);
    let mut expected = vec![json!({"name": "ale", "count": 1})];
    expected.extend(
        names[..299]
            .iter()
            .map(|it| json!({"name": it, "count": 1})),
    );
    assert_eq!(
        (&answer["rooms"], &answer["more"]),
        (&json!(expected), &json!(true))
    );

    // Those of nodes that die are gone.
    cluster.kill(0);
    cluster.kill(1);
    cluster.pass(NODE_TTL_MS + 15_000);
    let rooms = json!([{"name": "ale", "count": 1}, {"name": "room-399", "count": 1}]);
    let answer = listed(&mut cluster, alone);
    assert_eq!((&answer["rooms"], &answer["more"]), (&rooms, &json!(false)));
    let other = member(&mut cluster, 1, &["room-399"]);
    cluster.pass(1_000);
    assert_eq!(listed(&mut cluster, other)["rooms"][1]["count"], 2);

    cluster.redis.stop();
    cluster.pass(2_000);
    assert_eq!(listed(&mut cluster, other)["code"], "unavailable");
    cluster.redis.heal();
    cluster.pass(5_000);
    assert_eq!(
        listed(&mut cluster, other)["rooms"][0],
        json!({"name": "ale", "count": 1})
    );
}
