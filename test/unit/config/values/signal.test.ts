import assert from 'node:assert/strict';
import { constants } from 'node:os';
import test from 'node:test';
import {
  forwardSignalProblem,
  parseSignal,
  reloadSignalProblem,
  shutdownSignalProblem,
} from '../../../../src/config/values/signal.ts';

for (const [text, name] of [
  ['SIGUSR1', 'SIGUSR1'],
  ['USR1', 'SIGUSR1'],
  ['sighup', 'SIGHUP'],
  ['CLD', 'SIGCHLD'],
  ['SIGPOLL', 'SIGIO'],
  ['RTMIN', 'SIGRTMIN'],
  ['SIGRTMIN+3', 'SIGRTMIN+3'],
  ['SIGRTMAX', 'SIGRTMIN+30'],
  ['SIGRTMAX-30', 'SIGRTMIN'],
] as const) {
  test(`signal ${text}`, () => assert.deepEqual(parseSignal(text), { value: name }));
}

for (const [text, problem] of [
  ['SIGFOO', '"SIGFOO" is not a signal: write a name such as SIGHUP'],
  ['', '"" is not a signal: write a name such as SIGHUP'],
  ['10', '10 is a number: write SIGUSR1'],
  ['99', '"99" is not a signal: write a name such as SIGHUP'],
  ['SIGRTMIN+31', '"SIGRTMIN+31" is not a signal: write a name such as SIGHUP'],
  ['SIGRTMIN-1', '"SIGRTMIN-1" is not a signal: write a name such as SIGHUP'],
  ['SIGHUP+1', '"SIGHUP+1" is not a signal: write a name such as SIGHUP'],
] as const) {
  test(`invalid signal: ${JSON.stringify(text)}`, () => assert.deepEqual(parseSignal(text), { problem }));
}

test('every signal of the platform has the same number here', {
  skip: process.platform !== 'linux',
}, () => {
  for (const [name, number] of Object.entries(constants.signals)) {
    const byName = parseSignal(name);
    assert.ok('value' in byName, name);
    assert.deepEqual(parseSignal(String(number)), {
      problem: `${number} is a number: write ${byName.value}`,
    });
  }
});

test('signals that zero needs itself are refused as reload_signal', () => {
  for (const name of [
    'SIGINT',
    'SIGTERM',
    'SIGQUIT',
    'SIGKILL',
    'SIGSTOP',
    'SIGCHLD',
    'SIGPIPE',
    'SIGSEGV',
    'SIGRTMIN+1',
  ]) {
    assert.notEqual(reloadSignalProblem(name), null, name);
  }
  for (const name of ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGALRM'])
    assert.equal(reloadSignalProblem(name), null, name);
});

test('a shutdown_signal must end a process', () => {
  for (const name of ['SIGCONT', 'SIGSTOP', 'SIGCHLD', 'SIGURG'])
    assert.notEqual(shutdownSignalProblem(name), null, name);
  for (const name of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGKILL', 'SIGUSR1', 'SIGWINCH', 'SIGRTMIN+3']) {
    assert.equal(shutdownSignalProblem(name), null, name);
  }
});

test('signals that stop or upgrade zero are not forwarded', () => {
  for (const name of ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGUSR2', 'SIGKILL'])
    assert.notEqual(forwardSignalProblem(name), null, name);
  for (const name of ['SIGWINCH', 'SIGCONT', 'SIGUSR1', 'SIGHUP'])
    assert.equal(forwardSignalProblem(name), null, name);
});
