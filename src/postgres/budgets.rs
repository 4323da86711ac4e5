use super::{
    PostgresKeyStore,
    failure::Failure,
    values::{Hidden, Param},
};
use crate::{
    BoxError,
    limit::{
        CalendarUnit,
        budget::{BudgetFuture, BudgetPeriod, BudgetReturn, BudgetStore, BudgetTake, BudgetTaken},
    },
};

/// A lease is on disk before it is answered.
impl BudgetStore for PostgresKeyStore {
    fn take(&self, period: &BudgetPeriod, take: BudgetTake) -> BudgetFuture<BudgetTaken> {
        let (store, mut values) = (self.clone(), of_period(period));
        let numbers = [take.size, take.least, take.most, take.share.max(1)];
        values.extend(numbers.map(|number| Box::new(i64::from(number)) as Param));
        BudgetFuture::boxed(async move {
            // It may be sent a second time on another connection. If both were carried out, a lease is lost.
            let taken = store.read(&store.sql.budgets.take, &values).await.and_then(|rows| taken(&rows));
            taken.map_err(|failure| failure.boxed("taking a lease of a budget"))
        })
    }

    fn used(&self, period: &BudgetPeriod) -> BudgetFuture<u64> {
        let (store, values) = (self.clone(), of_period(period));
        BudgetFuture::boxed(async move {
            let rows = store.read(&store.sql.budgets.used, &values).await;
            let used = rows.and_then(|rows| rows.first().map_or(Ok(0), |row| unsigned(row.try_get(0)?)));
            used.map_err(|failure| failure.boxed("reading a budget"))
        })
    }

    fn give_back(&self, unused: &[BudgetReturn]) -> BudgetFuture<()> {
        let (store, values) = (self.clone(), of_unused(unused));
        BudgetFuture::boxed(async move {
            let given_back = store.give_back_once(&values).await;
            given_back.map_err(|failure| failure.boxed("giving back what is unused of budgets"))
        })
    }

    fn forget(&self, unit: CalendarUnit, before: u32, limit: usize) -> BudgetFuture<usize> {
        let store = self.clone();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let values: [Param; 3] = [Box::new(unit.as_str()), Box::new(number(before)), Box::new(limit)];
        BudgetFuture::boxed(async move {
            let removed = store.read(&store.sql.budgets.forget, &values).await;
            removed.map(|rows| rows.len()).map_err(|failure| failure.boxed("removing old counts of budgets"))
        })
    }
}

impl PostgresKeyStore {
    /// Sends the statement once, whatever happens: a second time would be a second budget.
    async fn give_back_once(&self, values: &[Param]) -> Result<(), Failure> {
        let values: Vec<_> = values.iter().map(|value| &**value as _).collect();
        self.connection().await?.query(&self.sql.budgets.give_back, &values).await.map(drop)
    }
}

fn of_period(period: &BudgetPeriod) -> Vec<Param> {
    vec![
        Box::new(Hidden(period.bucket.to_bytes().to_vec())),
        Box::new(period.unit.as_str()),
        Box::new(period.time_zone.to_string()),
        Box::new(number(period.number)),
    ]
}

fn of_unused(unused: &[BudgetReturn]) -> [Param; 5] {
    let periods = || unused.iter().map(|unused| &unused.period);
    [
        Box::new(Hidden(periods().map(|period| period.bucket.to_bytes().to_vec()).collect::<Vec<_>>())),
        Box::new(periods().map(|period| period.unit.as_str()).collect::<Vec<_>>()),
        Box::new(periods().map(|period| period.time_zone.to_string()).collect::<Vec<_>>()),
        Box::new(periods().map(|period| number(period.number)).collect::<Vec<_>>()),
        Box::new(unused.iter().map(|unused| i64::from(unused.count)).collect::<Vec<_>>()),
    ]
}

/// The number of a period has eight digits.
fn number(period: u32) -> i32 {
    i32::try_from(period).unwrap_or(i32::MAX)
}

fn taken(rows: &[tokio_postgres::Row]) -> Result<BudgetTaken, Failure> {
    let Some(row) = rows.first() else { return Err(Failure::Row("the server has answered without a row".into())) };
    let granted = u32::try_from(row.try_get::<_, i64>(1)?).map_err(BoxError::from)?;
    Ok(BudgetTaken::new(granted, unsigned(row.try_get(0)?)?))
}

fn unsigned(count: i64) -> Result<u64, Failure> {
    Ok(u64::try_from(count).map_err(BoxError::from)?)
}
