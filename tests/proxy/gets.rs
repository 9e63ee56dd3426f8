//! Gets of one key and of many.

use crate::proxy::Fleet;

#[test]
fn a_get_that_cannot_be_asked_says_so_once_in_place_of_its_end() {
    for backup in ["none", "pairs"] {
        let mut fleet = Fleet::start(2, &format!("backup = \"{backup}\""), "");
        let proxy = fleet.proxy(&[]);
        fleet.servers.iter_mut().for_each(|server| server.kill());
        let mut client = proxy.client();
        for command in ["get", "gets", "gat 100", "gats 100"] {
            for keys in ["k", "k l m n"] {
                let said = client.ask(&format!("{command} {keys}\r\n"));
                assert!(said.starts_with("SERVER_ERROR "), "{backup} {command} {keys}: {said}");
                assert_eq!(client.ask("mn\r\n"), "MN", "{backup} {command} {keys}");
            }
        }
    }
}
