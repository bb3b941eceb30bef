import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { openPipe } from '../../../src/linux/pipes.ts';
import { createTelemetry, type TelemetryOptions } from '../../../src/telemetry/dispatch.ts';
import { ManualTimers } from '../../support/manual-timers.ts';
import { facts } from './facts.ts';

const directory = mkdtempSync(join(tmpdir(), 'zero-telemetry-'));
after(() => rmSync(directory, { recursive: true, force: true }));

function optionsFor(file: string, more: Partial<TelemetryOptions['application']> = {}): TelemetryOptions {
  return {
    application: { logging: { format: 'json', level: 'debug', file }, ...more },
    service: { name: 'example', path: '/bin/x', directory: '/' },
    version: '1.0',
    fd: 2,
    colour: false,
    secrets: () => [],
    now: () => 0,
    clock: () => 0,
    timers: new ManualTimers(),
  };
}

const eventsOf = (file: string) =>
  readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

describe('telemetry', () => {
  it('sends every fact to the log', async () => {
    const file = join(directory, 'log');
    const telemetry = createTelemetry(optionsFor(file));
    for (const fact of Object.values(facts)) telemetry.report(fact);
    await telemetry.close(1000);
    assert.deepEqual(
      eventsOf(file).map(({ event }) => event),
      Object.keys(facts),
    );
  });

  it('sends every fact to statsd, and logs its errors', async () => {
    const file = join(directory, 'log-statsd');
    const metrics = join(directory, 'metrics');
    const telemetry = createTelemetry(
      optionsFor(file, {
        metrics: {
          address: [
            { network: 'file', path: metrics },
            { network: 'file', path: directory },
          ],
        },
      }),
    );
    telemetry.report(facts.stop_requested);
    await telemetry.close(1000);
    assert.match(readFileSync(metrics, 'utf8'), /^process\.shutdown,name=example,/);
    const warning = eventsOf(file).find(({ event }) => event === 'warning');
    assert.equal(warning.about, 'metrics');
    assert.match(warning.message, /EISDIR/);
  });

  it('reports on standard error why the log file cannot be reopened', async () => {
    const folder = mkdtempSync(join(directory, 'f-'));
    const { read, write } = openPipe();
    const telemetry = createTelemetry({ ...optionsFor(join(folder, 'log')), fd: write });
    rmSync(folder, { recursive: true });
    telemetry.reopen();
    await telemetry.close(1000);
    closeSync(write);
    const error = JSON.parse(readFileSync(read, 'utf8'));
    closeSync(read);
    assert.equal(error.event, 'error');
    assert.match(
      error.message,
      /^open log file .*: ENOENT: .*\. zero writes its log to standard error\. Send SIGUSR1 /,
    );
  });

  it('leaves no listener on the process', async () => {
    const before = process.listenerCount('exit');
    const telemetry = createTelemetry(optionsFor(join(directory, 'listeners')));
    assert.equal(process.listenerCount('exit'), before + 1);
    await telemetry.close(1000);
    assert.equal(process.listenerCount('exit'), before);
  });
});
