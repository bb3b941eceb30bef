import { existsSync } from 'node:fs';
import path from 'node:path';
import type { ControlClient } from '../control/client.ts';
import { ClientError } from '../control/client-error.ts';
import type { FactDocument } from '../control/protocol.ts';
import { leftBehindIn } from '../supervisor/instance/left-behind.ts';
import { FIFO } from '../supervisor/keeper/keeper-script.ts';
import { EXIT } from './exit-code.ts';
import type { InstanceOptions } from './find-instance.ts';
import { clientOf } from './instances/client.ts';
import type { Instance } from './instances/record.ts';
import { Interruption } from './interruption.ts';
import { isAway, Patience } from './reconnect.ts';
import { safe } from './render/style.ts';
import { showWaiting } from './waiting.ts';
import { type CommandContext, processContext, withInstance } from './with-instance.ts';

export interface StopOptions extends InstanceOptions {
  readonly now: boolean;
}

/** `zero stop`: stops the service and then zero, and waits until its process has exited. Resolves to the exit code. */
export function stop(
  { now, ...instance }: StopOptions,
  context: CommandContext = processContext(),
): Promise<number> {
  const dead = (found: Instance) => stopDead(found, now, context);
  return withInstance({ command: 'stop', instance, guess: false, dead }, context, (client, found) =>
    stopLiving(client, found, now, context),
  );
}

async function stopLiving(
  client: ControlClient,
  instance: Instance,
  now: boolean,
  context: CommandContext,
): Promise<number> {
  const end = await follow(client, instance, now, context);
  if (end === 'stopped') return EXIT.done;
  if (end === 'incomplete') return EXIT.failed;
  if (end === 'gone') {
    throw new ClientError(
      'gone',
      'zero exited before it reported that the service had stopped. Check its log.',
    );
  }
  context.terminal.err('zero is still stopping. Follow it with "zero status"\n');
  return EXIT.inProgress;
}

/**
 * Stops the service of a supervisor that has died, as the supervisor would have done; null if no process of it runs.
 */
async function stopDead(instance: Instance, now: boolean, context: CommandContext): Promise<number | null> {
  if ((await leftBehindIn(instance)) === null && !hasFile(instance, FIFO)) return null;
  const { stopLeftBehind } = await import('./run.ts');
  const code = await stopLeftBehind(instance, now);
  if (code !== null) return code;
  // Its keeper or a service manager has restarted the supervisor.
  const client = clientOf(instance);
  for (const patience = new Patience(context); await patience.next(); ) {
    try {
      return await stopLiving(client, instance, now, context);
    } catch (error) {
      if (!isAway(error)) throw error;
    }
  }
  return null;
}

/** Whether the supervisor died without stopping its service: otherwise it removes both files. */
function isLeft(instance: Instance): boolean {
  return hasFile(instance, 'state.json') || hasFile(instance, FIFO);
}

function hasFile({ runtimeDirectory }: Instance, name: string): boolean {
  return existsSync(path.join(runtimeDirectory, name));
}

/** Whether it reports a process that keeps running, because zero may not end it or SIGKILL does not end it. */
function isLeftRunning({ event, step, errno }: FactDocument): boolean {
  if (event !== 'error') return false;
  return step === 'kill' ? errno === undefined : step === 'kill remaining processes' && errno === 'EPERM';
}

/** `incomplete`: zero has exited, and processes that it could not end keep running. */
async function follow(
  client: ControlClient,
  instance: Instance,
  now: boolean,
  context: CommandContext,
): Promise<'stopped' | 'incomplete' | 'gone' | 'interrupted'> {
  const { terminal, clock } = context;
  const interruption = new Interruption(context);
  const waiting = showWaiting(terminal, clock);
  const left: string[] = [];
  let stopped = false;
  let restarts = false;
  try {
    for await (const line of client.stop({ now }, interruption.signal)) {
      if ('accepted' in line) {
        interruption.accepted();
        restarts = line.accepted.restarts ?? false;
      } else if ('fact' in line) {
        waiting.tell(line.fact);
        if (isLeftRunning(line.fact)) left.push(`zero stop: ${safe(String(line.fact.message))}\n`);
      } else stopped = true;
    }
  } catch (error) {
    if (interruption.isDetached) return 'interrupted';
    // The kernel closes the connection when the process exits, which is the awaited end.
    if (!(interruption.isAccepted && error instanceof ClientError && error.problem === 'gone')) throw error;
  } finally {
    interruption.end();
    waiting.end();
  }
  // On a terminal each event has been shown.
  if (!terminal.interactive) terminal.err(left.join(''));
  if (stopped) return left.length > 0 ? 'incomplete' : 'stopped';
  return restarts ? outlast(client, instance, context) : 'gone';
}

/**
 * Waits until a supervisor has stopped a service that was restarted meanwhile. Sends no second request, which would
 * kill the service with SIGKILL.
 */
async function outlast(
  client: ControlClient,
  instance: Instance,
  context: CommandContext,
): Promise<'stopped' | 'gone' | 'interrupted'> {
  const { interrupted, terminal } = context;
  const patience = new Patience(context, (text) => terminal.err(`zero: ${text}\n`));
  while (await patience.next()) {
    try {
      const { mode } = await client.status(interrupted);
      if (mode !== 'stopping')
        throw new ClientError(
          'refused',
          'zero was killed and started again before it stopped the service. Repeat: zero stop',
        );
      for await (const _ of client.events(interrupted)) patience.answered();
      return 'stopped';
    } catch (error) {
      if (!interrupted.aborted && !isAway(error)) throw error;
      if (!isLeft(instance)) return 'stopped';
    }
  }
  return interrupted.aborted ? 'interrupted' : 'gone';
}
