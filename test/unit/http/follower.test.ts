import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { ServerResponse } from 'node:http';
import { describe, it } from 'node:test';
import { type Feed, Follower } from '../../../src/http/follower.ts';
import { ManualTimers } from '../../support/manual-timers.ts';

/** A response whose reader accepts data when the test allows it. */
class FakeResponse extends EventEmitter {
  readonly written: string[] = [];
  full = false;
  destroyed = false;
  ended = false;
  writeHead(): void {}
  flushHeaders(): void {}
  write(text: string): boolean {
    this.written.push(text);
    return !this.full;
  }
  end(): void {
    this.ended = true;
  }
  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

function following() {
  const response = new FakeResponse();
  const timers = new ManualTimers();
  const portions: (string | null)[] = [];
  let more: (() => void) | null = null;
  let closed = 0;
  const feed: Feed = {
    next: () => (portions.length === 0 ? '' : (portions.shift() ?? null)),
    onMore(run) {
      more = run;
      return () => {
        more = null;
      };
    },
  };
  const follower = new Follower({
    response: response as unknown as ServerResponse,
    feed,
    contentType: 'text/plain',
    timers,
    closed: () => {
      closed += 1;
    },
  });
  return {
    response,
    timers,
    follower,
    closed: () => closed,
    followed: () => more !== null,
    come: (...texts: (string | null)[]) => {
      portions.push(...texts);
      more?.();
    },
  };
}

describe('a follower', () => {
  it('writes the existing entries, and then collects new ones for 20 ms', () => {
    const { response, timers, follower, come } = following();
    come('a', 'b');
    follower.start();
    assert.deepEqual(response.written, ['a', 'b']);
    come('c');
    come('d');
    assert.deepEqual(response.written, ['a', 'b']);
    timers.fireAll();
    assert.deepEqual(response.written, ['a', 'b', 'c', 'd']);
  });

  it('leaves no timer when nothing arrives, and then writes the next entry immediately', () => {
    const { response, timers, follower, come } = following();
    follower.start();
    timers.fireAll();
    assert.equal(timers.pending().length, 0);
    come('a');
    assert.deepEqual(response.written, ['a']);
  });

  it('reads no more from the feed while its reader is behind', () => {
    const { response, timers, follower, come } = following();
    response.full = true;
    come('a', 'b');
    follower.start();
    come('c');
    assert.deepEqual(response.written, ['a']);
    response.full = false;
    response.emit('drain');
    assert.deepEqual(response.written, ['a', 'b', 'c']);
    timers.fireAll();
    assert.equal(timers.pending().length, 0);
  });

  it('disconnects a reader that reads nothing for too long', () => {
    const { response, timers, follower, come, closed, followed } = following();
    response.full = true;
    come('a');
    follower.start();
    assert.equal(timers.pending().length, 1);
    timers.fireAll();
    assert.deepEqual(
      [response.destroyed, closed(), followed(), timers.pending().length],
      [true, 1, false, 0],
    );
  });

  it('ends with its feed', () => {
    const { response, timers, follower, come, closed, followed } = following();
    come('a', null);
    follower.start();
    assert.deepEqual([response.written, response.ended, closed(), followed()], [['a'], true, 1, false]);
    assert.equal(timers.pending().length, 0);
  });

  it('writes nothing to a closed peer, and releases its resources', () => {
    const { response, timers, follower, come, closed, followed } = following();
    follower.start();
    response.destroyed = true;
    come('a');
    timers.fireAll();
    response.emit('close');
    assert.deepEqual([response.written, closed(), followed(), timers.pending().length], [[], 1, false, 0]);
  });

  it('writes the last entries and ends when the supervisor exits', () => {
    const { response, follower, come } = following();
    follower.start();
    come('last');
    follower.leave();
    follower.leave();
    assert.deepEqual([response.written, response.ended], [['last'], true]);
  });
});
