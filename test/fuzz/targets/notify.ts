import assert from 'node:assert/strict';
import { type NotifyMessage, parseNotification } from '../../../src/readiness/notify-message.ts';
import { corpusOf, type Target } from '../target.ts';

const LARGEST_PID = 4_194_304;

/** Datagrams on `NOTIFY_SOCKET`, which every process of the service may send. */
export const notify: Target = {
  name: 'notify',
  corpus: corpusOf('notify'),
  words: [
    'READY=1',
    'MAINPID=',
    'STATUS=',
    'ERRNO=',
    'EXTEND_TIMEOUT_USEC=',
    'WATCHDOG=1',
    'BARRIER=1',
    '=',
    '\n',
  ],
  check(input) {
    const messages = parseNotification(input);
    if (messages === null) return 'no notification';
    for (const message of messages) assertValid(message);
    // A parsed message can be written and parsed again.
    const text = messages.map(textOf).join('\n');
    assert.deepEqual(messages.length === 0 ? [] : parseNotification(Buffer.from(text)), messages);
    return messages.length === 0 ? 'nothing known' : 'messages';
  },
};

function assertValid(message: NotifyMessage): void {
  switch (message.kind) {
    case 'main_pid':
      assert.ok(Number.isInteger(message.pid) && message.pid >= 1 && message.pid <= LARGEST_PID);
      return;
    case 'errno':
      assert.ok(Number.isInteger(message.errno) && message.errno >= 0 && message.errno < 4096);
      return;
    case 'extend_timeout':
      assert.ok(Number.isSafeInteger(message.microseconds) && message.microseconds > 0);
      return;
    case 'status':
      assert.ok(!message.text.includes('\n') && !message.text.includes('\0'));
      return;
    default:
      return;
  }
}

function textOf(message: NotifyMessage): string {
  switch (message.kind) {
    case 'main_pid':
      return `MAINPID=${message.pid}`;
    case 'errno':
      return `ERRNO=${message.errno}`;
    case 'extend_timeout':
      return `EXTEND_TIMEOUT_USEC=${message.microseconds}`;
    case 'status':
      return `STATUS=${message.text}`;
    case 'drains':
      return `X_ZERO_DRAINS=${message.drains ? 1 : 0}`;
    case 'store_descriptors':
      return 'FDSTORE=1';
    default:
      return `${message.kind.toUpperCase()}=1`;
  }
}
