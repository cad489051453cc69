//! That what is measured does what it is measured for.

#[test]
fn each_peer_puts_its_token_on_a_request_and_its_host_where_it_says_so() {
    tower_salesforce_auth_peers::check();
}
