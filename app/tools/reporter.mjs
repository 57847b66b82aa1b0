/** Test events in; one line a test out, each failure with its error, and the names of all failures last. */

import { relative } from 'node:path';
import { inspect } from 'node:util';

/** Names of the suites around a test come from the nesting of the events before it. */
function* fullNames() {
  const path = [];
  let name = '';
  for (;;) {
    const data = yield name;
    path.length = data.nesting;
    path.push(data.name);
    name = path.join(' > ');
  }
}

function describe(error) {
  const cause = error?.cause ?? error;
  return (cause?.stack ?? inspect(cause)).replaceAll(/^/gm, '    ');
}

function isContainer(data) {
  return data.details?.type === 'suite' || data.details?.error?.failureType === 'subtestsFailed';
}

function place(data) {
  return data.file ? ` (${relative(process.cwd(), data.file)}${data.line ? `:${data.line}` : ''})` : '';
}

/**
 * A reporter for `node --test`.
 *
 * @param {AsyncIterable<{type: string, data: object}>} source events of the test runner
 * @returns {AsyncGenerator<string>} text to print
 */
export default async function* report(source) {
  const names = fullNames();
  names.next();
  const failures = [];
  let passed = 0;
  for await (const { type, data } of source) {
    if (type === 'test:start') names.next(data);
    if (type === 'test:stderr' || type === 'test:stdout') yield data.message;
    if ((type !== 'test:pass' && type !== 'test:fail') || isContainer(data)) continue;
    const name = names.next(data).value;
    if (type === 'test:pass') {
      passed += 1;
      const skipped = data.skip === undefined ? '' : ` # skipped: ${data.skip}`;
      yield `ok   ${name} (${Math.round(data.details.duration_ms)} ms)${skipped}\n`;
    } else {
      failures.push(`${name}${place(data)}`);
      yield `FAIL ${name}${place(data)}\n${describe(data.details.error)}\n`;
    }
  }
  yield `\n${passed} passed, ${failures.length} failed\n`;
  if (failures.length > 0) yield `Failed tests:\n${failures.map((name) => `  ${name}\n`).join('')}`;
}
