// The adapter, and a line on standard output for each call that reaches the database.

const Database = require('./sqlite.cjs');

const say = call => process.stdout.write(`${JSON.stringify({ event: 'sqlite', call })}\n`);

module.exports = class CountingDatabase extends Database {
  constructor(file, options) {
    say('open');
    super(file, options);
  }

  prepare(sql) {
    const statement = super.prepare(sql);
    return {
      get() {
        say('get');
        return statement.get();
      },
    };
  }

  close() {
    say('close');
    super.close();
  }
};
