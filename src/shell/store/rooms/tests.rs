use super::*;
use crate::shell::store::database::Database;
use crate::shell::store::tests::Place;

#[test]
fn ids_of_rooms_are_used_again_once_all_were_given() {
    let place = Place::new("ids");
    std::fs::create_dir_all(place.path()).unwrap();
    let database = Database::open(&place.path().join("parlor.db")).unwrap();
    let connection = &database.connection;
    let mut rooms = Rooms::default();
    for number in 1..=4 {
        let name = format!("room{number}");
        assert_eq!(free_id(connection, 4).unwrap(), Some(number));
        rooms.open(connection, &name, 1).unwrap();
    }
    assert_eq!(free_id(connection, 4).unwrap(), None);
    rooms.forget(connection, "room2").unwrap();
    assert_eq!(
        free_id(connection, 4).unwrap(),
        None,
        "messages of it may be left"
    );
    connection.execute_batch("DELETE FROM leftovers").unwrap();
    assert_eq!(free_id(connection, 4).unwrap(), Some(2));
    let sql = "UPDATE rooms SET id = ?1 WHERE name = 'room4'";
    connection.execute(sql, [MAX_ROOM]).unwrap();
    let row = rooms.open(connection, "new", 1).unwrap();
    assert!((1..MAX_ROOM).contains(&row.id), "{row:?}");
}
