//! The tables of plans, and lists of limits.

use std::collections::BTreeMap;

use toml::Spanned;

use super::{
    document::{Document, LimitList, PlanTable, SpecialTable},
    place::{self, Text},
    quota::QuotaTable,
};
use crate::{
    ConfigError, Plans, Quota,
    limit::Limits,
    rate_limit::{Plan, PlansBuilder},
};

pub(super) fn read(text: Text<'_>, document: &Document) -> Result<Option<Plans>, ConfigError> {
    let Some(fallback) = &document.fallback_plan else {
        let Some((name, _)) = document.plans.first_key_value() else { return Ok(None) };
        let what = "there are plans but no fallback_plan: name the plan for callers without one, above all tables";
        return Err(text.wrong(&name.span(), what));
    };
    let mut builder = Plans::new().fallback(fallback.get_ref().clone());
    for (name, table) in &document.plans {
        // Alone too, so that an error has a place.
        let alone = Plans::new().fallback(name.get_ref().clone());
        add(text, alone, name, table)?.build().map_err(|error| text.at(&name.span(), error))?;
        builder = add(text, builder, name, table)?;
    }
    if document.plans.is_empty() {
        return Err(unknown(text, fallback));
    }
    refuse_unknown(text, fallback, &document.plans)?;
    builder.build().map(Some).map_err(|error| text.at(&fallback.span(), error))
}

/// Refuses a plan that is not among those of the file, if it has any.
pub(super) fn refuse_unknown(
    text: Text<'_>,
    plan: &Spanned<String>,
    plans: &BTreeMap<Spanned<String>, PlanTable>,
) -> Result<(), ConfigError> {
    if plans.is_empty() || plans.contains_key(plan.get_ref().as_str()) { Ok(()) } else { Err(unknown(text, plan)) }
}

fn unknown(text: Text<'_>, plan: &Spanned<String>) -> ConfigError {
    let name = place::name(plan.get_ref());
    text.wrong(&plan.span(), format!("there is no plan {name} in this file: add [plans.{name}], or correct the name"))
}

pub(super) fn limits(text: Text<'_>, list: &LimitList) -> Result<Limits, ConfigError> {
    Limits::new(quotas(list)).map_err(|error| text.at(&list.span(), error))
}

fn quotas(list: &LimitList) -> impl Iterator<Item = Quota> {
    list.get_ref().iter().map(QuotaTable::quota)
}

fn add(
    text: Text<'_>,
    builder: PlansBuilder,
    name: &Spanned<String>,
    table: &PlanTable,
) -> Result<PlansBuilder, ConfigError> {
    let name = name.get_ref();
    limits(text, &table.limits)?;
    let mut builder = builder.plan(name.clone(), quotas(&table.limits));
    for special in &table.special {
        let plan = selector(text, name, special)?;
        limits(text, &special.get_ref().limits)?;
        builder = builder.plan(plan, quotas(&special.get_ref().limits));
    }
    Ok(builder)
}

/// Returns the requests to which special limits apply.
fn selector(text: Text<'_>, name: &str, special: &Spanned<SpecialTable>) -> Result<Plan, ConfigError> {
    let SpecialTable { class, method, .. } = special.get_ref();
    if class.is_none() && method.is_none() {
        return Err(text.wrong(&special.span(), "special limits need a class, a method, or both"));
    }
    let mut plan = Plan::new(name.to_owned());
    if let Some(class) = class {
        plan = plan.class(class.clone());
    }
    if let Some(method) = method {
        plan = plan.method(method.0.clone());
    }
    Ok(plan)
}
