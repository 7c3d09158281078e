// A reporter for node --test: one line a test, what failed below it, and the counts at the end.

let passed = 0;
let failed = 0;
let skipped = 0;

export default async function* report(source) {
  for await (const { type, data } of source) {
    // A file and a suite are no checks of their own, unless they could not be run.
    const isGroup = data?.details?.type === 'suite' || (data?.name !== undefined && data.file?.endsWith(data.name));
    if (type === 'test:pass' && !(isGroup && data.skip === undefined)) {
      if (data.skip !== undefined) {
        skipped += 1;
        yield `skipped  ${data.name}: ${data.skip}\n`;
      } else {
        passed += 1;
        yield `ok       ${data.name}\n`;
      }
    } else if (type === 'test:fail' && data.details.error?.failureType !== 'subtestsFailed') {
      failed += 1;
      const { cause } = data.details.error;
      yield `FAILED   ${data.name}\n${indent(cause?.stack ?? cause ?? data.details.error.message)}\n`;
    } else if (type === 'test:diagnostic' && data.nesting > 0) {
      yield `         ${data.message}\n`;
    } else if (type === 'test:stderr' && !data.message.includes('ExperimentalWarning')) {
      yield indent(data.message);
    }
  }
  yield `${passed} passed, ${failed} failed, ${skipped} skipped\n`;
}

/** @param {unknown} text */
function indent(text) {
  return String(text).replace(/^/gm, '         ');
}
