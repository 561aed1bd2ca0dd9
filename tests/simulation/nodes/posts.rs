//! Names under which messages are posted.

use crate::nodes::circle::Circle;
use crate::nodes::scenes::drinker;
use crate::reader::Seen;

/// The status that a POST under a name is answered with.
fn post_as(circle: &mut Circle, node: usize, name: &str) -> u16 {
    let hall = circle.hall(node);
    let poster = hall.connect(usize::MAX);
    let head = format!("POST /rooms/tea?name={name} HTTP/1.1\r\nHost: localhost\r\n");
    hall.request(
        poster,
        format!("{head}Content-Length: 2\r\n\r\nhi").as_bytes(),
    );
    circle.pass(1_000);
    let response = circle.hall(node).read(poster);
    let [Seen::Response { status, .. }] = &response[..] else {
        panic!("{response:?}");
    };
    *status
}

#[test]
fn nobody_posts_under_a_name_that_is_somebodys_at_another_node() {
    let mut circle = Circle::new(13, 2);
    let ana = drinker(&mut circle, 0, "ana");
    for (name, status) in [("ana", 409), ("ANA", 409), ("bob", 200), ("bob", 200)] {
        assert_eq!(post_as(&mut circle, 1, name), status, "{name}");
    }
    // What is known of a name is known for a moment alone.
    circle.log_in(ana, "bob");
    circle.pass(2_000);
    assert_eq!(post_as(&mut circle, 1, "bob"), 409);
    assert_eq!(post_as(&mut circle, 1, "ana"), 200);
    circle.log.habit.is_away = true;
    assert_eq!(post_as(&mut circle, 1, "cem"), 503);
    assert_eq!(post_as(&mut circle, 0, "bob"), 409, "it is known here");
    circle.log.habit.is_away = false;
    circle.pass(2_000);
    assert_eq!(post_as(&mut circle, 1, "cem"), 200);
}
