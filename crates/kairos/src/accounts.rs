//! Accounts of this machine, by name and by number.
//!
//! Owns the reading of `/etc/passwd`. An account that is known elsewhere (a directory service) is said
//! as `UID:GID`. Never root: no command runs as that.

use std::fs;
use std::path::PathBuf;

const ACCOUNTS: &str = "/etc/passwd";

pub(crate) const HINT: &str = "a name of `/etc/passwd`, or `UID:GID`; never root";

/// Whom a command can run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Where toolchains are found, if anybody says.
    pub(crate) home: Option<PathBuf>,
}

/// Why a name is no account for commands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccountError {
    #[error("no account is called `{name}`")]
    Unknown { name: String },
    #[error("`{name}` is root, and a command never runs as root")]
    Root { name: String },
}

/// The account that a name, a number or `UID:GID` means.
pub(crate) fn find(name: &str) -> Result<Account, AccountError> {
    let text = fs::read_to_string(ACCOUNTS).unwrap_or_default();
    let unknown = || AccountError::Unknown { name: name.to_owned() };
    let account = match name.split_once(':') {
        Some((uid, gid)) => {
            let uid = uid.parse().map_err(|_| unknown())?;
            let gid = gid.parse().map_err(|_| unknown())?;
            let home = line(&text, |_, known| known == uid).and_then(|account| account.home);
            Account { uid, gid, home }
        }
        None => {
            let number = name.parse().ok();
            let is = |known: &str, uid| known == name || Some(uid) == number;
            line(&text, is).ok_or_else(unknown)?
        }
    };
    match account.uid == 0 || account.gid == 0 {
        true => Err(AccountError::Root { name: name.to_owned() }),
        false => Ok(account),
    }
}

/// The home of a number, if anybody says.
pub(crate) fn home(uid: u32) -> Option<PathBuf> {
    line(&fs::read_to_string(ACCOUNTS).ok()?, |_, known| known == uid)?.home
}

/// The first account for which `is` holds, of its name and number.
fn line(text: &str, is: impl Fn(&str, u32) -> bool) -> Option<Account> {
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, uid, gid, _, home, ..] = fields[..] else { return None };
        let (uid, gid) = (uid.parse().ok()?, gid.parse().ok()?);
        let home = Some(PathBuf::from(home)).filter(|home| home.is_absolute());
        is(name, uid).then_some(Account { uid, gid, home })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_name_a_number_and_a_home() {
        let text =
            "root:x:0:0::/root:/bin/sh\nada:x:1000:1001:A:/srv/ada:/bin/sh\nbad\nx:x:y:z:::\n";
        let ada = Account { uid: 1000, gid: 1001, home: Some("/srv/ada".into()) };
        assert_eq!(line(text, |name, _| name == "ada"), Some(ada.clone()));
        assert_eq!(line(text, |_, uid| uid == 1000), Some(ada));
        assert_eq!(line(text, |name, _| name == "bad"), None);
    }

    #[test]
    fn nobody_is_root() {
        for name in ["root", "0", "0:0", "1000:0", "0:1000"] {
            let root = AccountError::Root { name: name.into() };
            assert_eq!(find(name), Err(root), "{name}");
        }
        for name in ["", "no such name", "1:x", "-1"] {
            let unknown = AccountError::Unknown { name: name.into() };
            assert_eq!(find(name), Err(unknown), "{name}");
        }
        let bare = Account { uid: 123_456, gid: 7, home: None };
        assert_eq!(find("123456:7"), Ok(bare));
    }
}
