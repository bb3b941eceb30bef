import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Screen } from '../../support/screen.ts';
import { startOnTerminal } from '../../support/terminal.ts';

describe('a screen', () => {
  const show = (...texts: string[]) => {
    const screen = new Screen({ columns: 10, rows: 3 });
    for (const text of texts) screen.write(text);
    return screen;
  };

  it('moves the cursor to the next line, to its start, up, and erases', () => {
    assert.deepEqual(show('one\r\ntwo\r\n', '\u001b[2A1\u001b[K\r\n\u001b[Jx').window, ['1', 'x']);
  });

  it('scrolls, and keeps the lines above', () => {
    const screen = show('1\r\n2\r\n3\r\n4');
    assert.deepEqual([screen.text, screen.window], ['1\n2\n3\n4', ['2', '3', '4']]);
  });

  it('reports a line that does not fit, and none that exactly fits', () => {
    assert.deepEqual(show('0123456789\r\nx').wrapped, []);
    assert.deepEqual(show('0123456789x').wrapped, ['0123456789']);
  });

  it('waits for the rest of a sequence, and refuses an unknown one', () => {
    const screen = show('\u001b[1', 'mx');
    assert.deepEqual([screen.window, screen.coloured], [['x'], true]);
    assert.throws(() => show('\u001b[5n'), /not understood: CSI 5n/);
    assert.throws(() => show('\u0007'), /not understood/);
  });
});

describe('a program on a terminal', () => {
  const shell = (script: string): [string, ...string[]] => ['sh', '-c', script];

  it('has a terminal of the given size, and its exit code is reported', async (t) => {
    const session = startOnTerminal(t, shell('stty size; exit 3'), { size: { columns: 70, rows: 20 } });
    assert.deepEqual(await session.finished, { code: 3, signal: null });
    assert.deepEqual(session.screen.window, ['20 70', '']);
  });

  it('receives typed characters: Ctrl-C is a signal', async (t) => {
    const session = startOnTerminal(t, shell('trap "echo caught; exit 4" INT; echo ready; read line'));
    await session.until(({ text }) => text.includes('ready'));
    session.type('\u0003');
    assert.equal((await session.finished).code, 4);
    assert.match(session.screen.text, /caught/);
  });

  it('is notified of a new size', async (t) => {
    const session = startOnTerminal(
      t,
      shell('trap "stty size; exit 0" WINCH; echo ready; while read line; do :; done'),
    );
    await session.until(({ text }) => text.includes('ready'));
    session.resize({ columns: 100, rows: 30 });
    await session.until(({ text }) => text.includes('30 100'));
  });

  it('that exits before the expected text is an error', async (t) => {
    const session = startOnTerminal(t, shell('echo something else'));
    await assert.rejects(
      session.until(({ text }) => text.includes('never')),
      /ended.*\nsomething else/,
    );
  });
});
