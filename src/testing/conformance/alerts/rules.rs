use super::parts::{HOUR, acme, all, at};
use crate::{
    alerts::{AlertRule, AlertStore, StoredRules},
    registry::Holder,
};

async fn set(store: &impl AlertStore, rules: &StoredRules) {
    store.set_rules(rules.clone()).await.expect("rules are set");
}

async fn rules(store: &impl AlertStore, holders: &[Holder]) -> Vec<StoredRules> {
    let mut found = store.rules(holders).await.expect("rules are read");
    found.sort_by(|one, other| one.holder.cmp(&other.holder));
    found
}

pub(super) async fn rules_are_replaced(store: &impl AlertStore) {
    let (account, organization) = (acme(), Holder::organization("acme"));
    let unknown = r#"[{"type":"of a later version","share":1.50,"names":["ä","\u0000"]}, {"type":"new_network"}]"#;
    let first = StoredRules::new(account.clone(), &AlertRule::recommended(), at(1), "alice");
    let of_another = StoredRules::of_text(organization.clone(), unknown, at(2), "bob");
    set(store, &first).await;
    set(store, &of_another).await;
    let both = [account.clone(), organization.clone()];
    assert_eq!(rules(store, &both).await, [first, of_another.clone()], "every field comes back");
    let second = StoredRules::new(account.clone(), &[], at(3), "carol");
    set(store, &second).await;
    assert_eq!(rules(store, &both).await, [second.clone(), of_another], "the last rules replace the others");
    assert_eq!(rules(store, &[account, Holder::account("other")]).await, [second], "others were never set");
    assert!(rules(store, &[]).await.is_empty());
}

/// The most rules of one page.
const PAGE: usize = 1_000;

pub(super) async fn all_rules_are_listed_in_pages(store: &impl AlertStore) {
    assert!(store.all_rules(None).await.expect("rules are listed").is_empty());
    let rule = AlertRule::LimitUsed { percent: 80 };
    let stored = |holder| StoredRules::new(holder, &[rule], at(0) + HOUR, "alice");
    let accounts = (0..PAGE - 2).map(|number| Holder::account(format!("acme_{number}")));
    let names = ["ß", "𝕏", "Z", "a", "a b"];
    let organizations = names.map(Holder::organization).into_iter().chain([Holder::account("ß")]);
    let mut expected: Vec<_> = accounts.chain(organizations).map(stored).collect();
    for some in expected.chunks(100) {
        all(some.iter().rev().map(|rules| set(store, rules))).await;
    }
    expected.sort_by(|one, other| one.holder.cmp(&other.holder));
    assert_eq!(listed(store, expected.len()).await, expected, "each once, in the order of the holders");
    for (place, rules) in expected.iter().enumerate().skip(PAGE - 4) {
        let rest = store.all_rules(Some(&rules.holder)).await.expect("rules are listed");
        assert_eq!(rest, expected[place + 1..], "those after {}", rules.holder);
    }
}

/// Reads all pages. A store that never ends is stopped.
async fn listed(store: &impl AlertStore, most: usize) -> Vec<StoredRules> {
    let mut found: Vec<StoredRules> = Vec::new();
    while found.len() <= most {
        let after = found.last().map(|rules| rules.holder.clone());
        let page = store.all_rules(after.as_ref()).await.expect("rules are listed");
        assert!(page.len() <= PAGE, "{} rules in a page", page.len());
        if page.is_empty() {
            break;
        }
        found.extend(page);
    }
    found
}
