/** Test events in; one line a test out, each failure with its error, and the names of all failures last. */

import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
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

/** Suites and parents have no line of their own, unless what failed is theirs: a hook, or code beside the tests. */
function isContainer(type, data) {
  if (type === 'test:fail') return data.details.error?.failureType === 'subtestsFailed';
  return data.details?.type === 'suite';
}

function place({ file, line }) {
  if (!file) return '';
  // Releases of Node before 20.12 give an address.
  const path = relative(process.cwd(), file.startsWith('file:') ? fileURLToPath(file) : file);
  return ` (${path}${line ? `:${line}` : ''})`;
}

function verdict({ passed, skipped, failures }) {
  const counts = `${passed} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  if (failures.length > 0) return `${counts}\nFailed tests:\n${failures.map((name) => `  ${name}\n`).join('')}`;
  return passed > 0 ? `${counts}\n` : `${counts}\nNo test passed: that proves nothing.\n`;
}

/**
 * The reporter. A run in which no test passed fails, too.
 *
 * @param {AsyncIterable<{type: string, data: object}>} source events of the test runner
 * @param {{exitCode?: number}} proc the process whose exit code is set
 * @returns {AsyncGenerator<string>} text to print
 */
export async function* report(source, proc) {
  const names = fullNames();
  names.next();
  const counts = { passed: 0, skipped: 0, failures: [] };
  for await (const { type, data } of source) {
    if (type === 'test:start') names.next(data);
    if (type === 'test:stderr' || type === 'test:stdout') yield data.message;
    if ((type !== 'test:pass' && type !== 'test:fail') || isContainer(type, data)) continue;
    const name = names.next(data).value;
    if (type === 'test:fail') {
      counts.failures.push(`${name}${place(data)}`);
      yield `FAIL ${name}${place(data)}\n${describe(data.details.error)}\n`;
    } else if (data.skip === undefined) {
      counts.passed += 1;
      yield `ok   ${name} (${Math.round(data.details.duration_ms)} ms)\n`;
    } else {
      counts.skipped += 1;
      yield `skip ${name} # ${data.skip}\n`;
    }
  }
  if (counts.passed === 0) proc.exitCode = 1;
  yield `\n${verdict(counts)}`;
}

/** What `node --test --test-reporter` calls; it hands on a second argument of its own. */
export default (source) => report(source, process);
