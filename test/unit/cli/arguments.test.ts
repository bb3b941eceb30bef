import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { parseArguments } from '../../../src/cli/arguments.ts';
import { capturedOutput } from './captured-output.ts';

/** The exit code of a command line, and its lines on standard error. */
async function run(t: TestContext, ...argv: string[]): Promise<{ code: number; lines: string[] }> {
  const lines: string[] = [];
  const mock = t.mock.method(console, 'error', (line: string) => lines.push(line));
  const code = await parseArguments(argv);
  mock.mock.restore();
  return { code, lines };
}

test('an unknown command is reported with the nearest known command', async (t) => {
  const unknown = 'zero: unknown command "statsu". Did you mean "status"?';
  for (const argv of [
    ['statsu'],
    ['statsu', '--json'],
    ['statsu', 'x', '-f'],
    ['--config', 'zero.yaml', 'statsu'],
  ])
    assert.deepEqual(await run(t, ...argv), { code: 2, lines: [unknown] }, argv.join(' '));
  assert.deepEqual(await run(t, 'rlload'), {
    code: 2,
    lines: ['zero: unknown command "rlload". Did you mean "reload"?'],
  });
});

test('an unknown command without a similar one is reported with a pointer to the list', async (t) => {
  assert.deepEqual(await run(t, 'frobnicate'), {
    code: 2,
    lines: ['zero: unknown command "frobnicate". "zero --help" lists the commands.'],
  });
});

test('an empty --config is refused, because it would select another instance', async (t) => {
  const cases: readonly [name: string, argv: string[]][] = [
    ['zero', ['--config', '']],
    ['zero run', ['run', '--config=']],
    ['zero run', ['--config', '', 'run', '--', 'true']],
    ['zero check', ['check', '--config', '']],
    ['zero stop', ['stop', '--config', '']],
    ['zero reload', ['--config=', 'reload']],
    ['zero reload', ['reload', '--json', '--config', '']],
  ];
  for (const [name, argv] of cases) {
    const written = t.mock.method(process.stderr, 'write', () => true);
    let code: number | undefined;
    const stdout = await capturedOutput(async () => {
      code = await parseArguments(argv);
    });
    written.mock.restore();
    const refusals = written.mock.calls.map((call) => call.arguments[0]);
    assert.deepEqual(refusals, [`${name}: --config is empty: pass the path of a file\n`], argv.join(' '));
    assert.equal(code, 2);
    const message = '--config is empty: pass the path of a file';
    const document = { version: 1, error: { code: 'usage', message }, exit_code: 2 };
    assert.equal(stdout, argv.includes('--json') ? `${JSON.stringify(document)}\n` : '');
  }
});

test('wrong arguments are reported with the name of the command', async (t) => {
  const cases: readonly [argv: string[], line: string][] = [
    [['reload', 'web'], 'zero reload: unexpected argument "web". To specify an instance, write --name web'],
    [
      ['scale', '2', 'a b'],
      `zero scale: unexpected argument "a b". To specify an instance, write --name 'a b'`,
    ],
    [['check', 'web.yaml'], 'zero check: unexpected argument "web.yaml"'],
    [['signal'], "zero signal: missing required argument 'signal'"],
    [['status', '--verbose'], "zero status: unknown option '--verbose'"],
    [['-v'], "zero: unknown option '-v'"],
  ];
  for (const [argv, line] of cases)
    assert.deepEqual(await run(t, ...argv), { code: 2, lines: [line] }, argv.join(' '));
});

test('zero help shows the help of zero, or of a command', async () => {
  const codes: number[] = [];
  const shown = await capturedOutput(async () => {
    for (const argv of [['help'], ['help', 'reload']]) codes.push(await parseArguments(argv));
  });
  assert.deepEqual(codes, [0, 0]);
  assert.match(shown, /^Usage: zero \[options\] \[command\]\n.*\nUsage: zero reload \[options\]\n/s);
});
