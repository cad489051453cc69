//! Who revokes grants, and what the token endpoint says about it afterwards.

/// An event that revokes all grants of the user, and with them all sessions, at once and for good: only a new consent
/// heals it. Imposed by [`FakeOrg::revoke`](super::FakeOrg::revoke).
///
/// A client sees of it what the token endpoint says when a refresh token of a revoked grant is presented: 400
/// `invalid_grant` and a description. Both descriptions are recorded; which of them belongs to which event is reported,
/// so that [`description`](Self::description) chooses another.
///
/// Events that can be taken back are conditions: [`UserDeactivated`](super::conditions::UserDeactivated),
/// [`AppBlocked`](super::conditions::AppBlocked). So is the cap that revokes the oldest grant:
/// [`GrantCap`](super::conditions::GrantCap).
#[derive(Clone, Debug)]
#[must_use = "nothing is revoked until it is handed to `FakeOrg::revoke`"]
pub struct Revocation {
    pub(super) description: String,
}

impl Revocation {
    /// The description of a grant that is gone, whatever took it.
    pub(super) const GONE: &str = "expired access/refresh token";

    /// The user disconnects the application: `expired access/refresh token`.
    pub fn by_user() -> Self {
        Self { description: Self::GONE.to_owned() }
    }

    /// An admin revokes the application's tokens: `expired access/refresh token`.
    pub fn by_admin() -> Self {
        Self::by_user()
    }

    /// The user's password is changed or reset: `authentication failure`.
    pub fn by_password_change() -> Self {
        Self { description: "authentication failure".to_owned() }
    }

    /// The `error_description` of refreshes from now on.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }
}
