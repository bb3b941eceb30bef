import { setImmediate as turn } from 'node:timers/promises';
import { now, timers } from '../common/clock.ts';
import type { Config } from '../config/index.ts';
import type { Fact } from '../lifecycle/facts.ts';
import { type State, servingGeneration } from '../lifecycle/state.ts';
import { linux } from '../linux/kernel.ts';
import { becomeSubreaper } from '../linux/processes.ts';
import { keepSpare } from '../linux/spare.ts';
import { PassedSockets } from '../listeners/binding/passed-sockets.ts';
import { ListenerSet } from '../listeners/listener-set.ts';
import { exitCodeOf } from '../workers/processes/wait-status.ts';
import type { TakeService } from './adoption/take-service.ts';
import { Continuity } from './continuity/continuity.ts';
import { controlSocketOf } from './instance/instance.ts';
import { InstanceRecord } from './instance/instance-record.ts';
import { RuntimeDirectory } from './instance/runtime-directory.ts';
import { Observation } from './observe/observation.ts';
import type { Recovered } from './recovery/recovered.ts';
import { takeOver } from './recovery/take-over.ts';
import { Boundary } from './run/boundary.ts';
import { releaseFiles } from './run/current-executable.ts';
import type { Prepared } from './run/prepare.ts';
import { PreparedReleases } from './run/prepared-releases.ts';
import { RunningService } from './run/running-service.ts';
import type { Signals } from './start/signals.ts';
import type { SupervisorOptions } from './supervisor-options.ts';

/**
 * The maximum delay of the control socket and the rest of the supervisor during the start of the service, in
 * milliseconds.
 */
const SERVICE_FIRST = 100;

/**
 * The shell around the core. Composes the parts that run the service, the parts that observe it, and the parts that
 * another supervisor needs to continue it. Starts and ends these parts.
 */
export class Supervisor {
  /** Resolves to the exit code when all work is done. */
  readonly finished: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #boundary: Boundary;
  readonly #listeners: ListenerSet;
  readonly #releases: PreparedReleases;
  readonly #observation: Observation;
  readonly #service: RunningService;
  readonly #continuity: Continuity;
  readonly #record: InstanceRecord;
  readonly #directory: RuntimeDirectory;
  #signals: Signals | null = null;
  /** Cancels an adoption in progress; null if there is none. */
  #adoption: AbortController | null = null;
  #isStopping = false;
  #isOpen = false;
  #finish: (code: number) => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const report = (fact: Fact) => this.#observation.report(fact);
    const warn = (about: 'listener' | 'instance') => (message: string) =>
      report({ event: 'warning', about, message });
    this.#boundary = new Boundary(report);
    this.#releases = new PreparedReleases(
      releaseFiles((generation) => this.#observation.history.copyOf(generation)),
    );
    const passed = new PassedSockets(process.env, process.pid);
    this.#listeners = new ListenerSet({ warn: warn('listener'), passed });
    this.#observation = this.#observe();
    this.#record = this.#makeRecord(warn('instance'));
    this.#directory = this.#makeDirectory();
    this.#service = new RunningService(options, {
      boundary: this.#boundary,
      listeners: this.#listeners,
      passed,
      releases: this.#releases,
      observation: this.#observation,
      continuity: () => this.#continuity,
      promoted: (generation, prepared) => this.#promoted(generation, prepared),
      settled: (state, happened) => this.#settled(state, happened),
      exit: (exit) => this.#exit(exitCodeOf(exit)),
      changed: () => this.reload('watch'),
    });
    this.#continuity = this.#continue();
  }

  /**
   * Starts the service.
   * @param known facts from before the start, for the log
   */
  start(signals: Signals, known: readonly Fact[]): void {
    this.#begin(signals, known);
    this.#service.table.start();
    this.#service.reload('start');
    this.#configureSignals(this.#options.config);
    // Hooks and gates of a first start may take long.
    setTimeout(() => this.#open(), SERVICE_FIRST);
  }

  /**
   * Continues the service of a dead supervisor. Rejects with the errors of takeOver(); the service is unchanged then.
   * @param known facts from before the start, for the log
   */
  async resume(signals: Signals, recovered: Recovered, known: readonly Fact[]): Promise<void> {
    const { config, environment, folder: startDirectory } = this.#options;
    const { generations, hooks, table } = this.#service;
    this.#begin(signals, known);
    const event = await takeOver(recovered, {
      listeners: this.#listeners,
      releases: this.#releases,
      generations,
      hooks,
      history: this.#observation.history,
      config,
      environment,
      startDirectory,
      report: (fact) => this.#report(fact),
      kernel: linux,
      timers,
    });
    table.start();
    this.#continuity.openVault();
    this.#service.post(event);
    this.#configureSignals(config);
    const { workers } = event;
    const adopted = workers.filter(({ found }) => found === 'running').length;
    this.#report({
      event: 'supervisor_recovered',
      previous: event.previous,
      by: recovered.by,
      adopted,
      gone: workers.length - adopted,
      generations: recovered.state.generations.map(({ id }) => id),
      incumbent: servingGeneration(this.#service.state),
      socketsFrom: recovered.socketsFrom,
      duration: now() - recovered.since,
    });
    this.#open();
  }

  /**
   * Adopts a service that something else has started. Rejects with AdoptionError; the service is unchanged then.
   * @param known facts from before the start, for the log
   */
  async adopt(signals: Signals, take: TakeService, known: readonly Fact[]): Promise<void> {
    const { config } = this.#options;
    this.#begin(signals, known);
    const adoption = new AbortController();
    this.#adoption = adoption;
    this.#configureSignals(config);
    const service = this.#service;
    const prepare = () => service.prepare(null, () => {}, true);
    const taken = await take({ config, listeners: this.#listeners, prepare, stopped: adoption.signal });
    const generation = service.state.nextGeneration;
    const { prepared, pid, processes, addresses, remarks } = taken;
    this.#releases.restore(generation, prepared);
    service.generations.add(generation);
    service.table.start();
    // Processes a signal that arrived in the meantime first.
    await turn();
    const adopted = taken.adopt(generation, service.generations);
    this.#adoption = null;
    this.#observation.history.adopted(null, generation, prepared);
    service.post(adopted);
    service.findLabel(generation, prepared);
    this.#report({ event: 'service_adopted', generation, pid, processes, addresses });
    for (const message of remarks) this.#report({ event: 'warning', about: 'adopt', message });
    this.#open();
  }

  /** Reports an uncaught exception. Returns false if no service needs this process. */
  caught(step: string, error: unknown): boolean {
    const isNeeded = this.#service.generations.processes().length > 0 || this.#isStopping;
    if (isNeeded) this.#boundary.caught(step, error);
    return isNeeded;
  }

  /** Requests a handover. */
  reload(by: string): void {
    this.#service.reload(by);
  }

  /** Stops the service and then the supervisor. A service that is being adopted does not belong to zero yet. */
  stop(by: string, immediately: boolean): void {
    if (this.#adoption === null) this.#service.post({ type: 'stop', by, now: immediately });
    else this.#adoption.abort(by);
  }

  /** Reopens zero's own files. */
  reopenLogs(): void {
    this.#observation.reopenLogs();
  }

  /** Sends a signal to every worker. */
  forward(signal: string): void {
    this.#service.forward(signal);
  }

  /** Replaces the program of this process with the installed zero, once no operation is in progress. */
  upgrade(): void {
    this.#continuity.upgrade({ path: null, node: null, timeoutMs: null }, () => {});
  }

  #observe(): Observation {
    return new Observation(this.#options, {
      listeners: this.#listeners,
      releases: this.#releases,
      service: () => ({
        state: this.#service.state,
        generations: this.#service.generations,
        post: this.#service.post,
        hash: this.#service.hash,
        keeper: this.#continuity.keeper,
        restarts: this.#continuity.sockets.restarts,
        upgrade: this.#continuity.upgrade,
      }),
    });
  }

  #makeRecord(warn: (message: string) => void): InstanceRecord {
    const { config, instance, version, folder, source } = this.#options;
    const controlSocket = controlSocketOf(config, instance).path;
    return new InstanceRecord(
      { instance, version, directory: folder, controlSocket, configFile: source.read },
      warn,
    );
  }

  #makeDirectory(): RuntimeDirectory {
    const { instance, source, lock } = this.#options;
    return new RuntimeDirectory({
      instance,
      nameOption: source.file === null ? '--name' : 'runtime.name',
      lock,
      timers,
      controlSocket: () => this.#observation.control.path,
      restore: () => this.#restoreFiles(),
      report: (fact) => this.#report(fact),
    });
  }

  #continue(): Continuity {
    const service = this.#service;
    return new Continuity(this.#options, {
      kernel: service.kernel,
      table: service.table,
      listeners: this.#listeners,
      releases: this.#releases,
      observation: this.#observation,
      directory: this.#directory,
      commands: service.commands,
      processes: () => service.processes(),
      state: () => service.state,
      generations: () => service.generations,
      config: () => service.config(),
      post: service.post,
    });
  }

  #begin(signals: Signals, known: readonly Fact[]): void {
    const { source, version, instance } = this.#options;
    this.#signals = signals;
    becomeSubreaper();
    keepSpare();
    this.#report({
      event: 'supervisor_started',
      name: instance.name,
      pid: process.pid,
      version,
      config: source.file,
    });
    for (const fact of known) this.#report(fact);
  }

  /** Opens the endpoints that show and control this instance. Idempotent. */
  #open(): void {
    if (this.#isOpen || this.#isStopping) return;
    this.#isOpen = true;
    this.#continuity.open();
    this.#record.open();
    this.#directory.open();
    this.#observation.open(this.#options.config);
    this.#service.open();
  }

  #settled(state: State, happened: boolean): void {
    this.#continuity.settled(state);
    if (this.#service.generations.processes().length === 0 || state.exit) return;
    this.#open();
    this.#service.settled(happened);
  }

  /** Applies the supervisor's own settings from the config of the generation that serves. */
  #promoted(generation: number, { config }: Prepared): void {
    this.#configureSignals(config);
    this.#record.update(this.#options.source.read);
    this.#observation.configure(config, generation === this.#service.state.firstGeneration);
  }

  #configureSignals(config: Config): void {
    const { options, runtime } = config.service;
    this.#signals?.configure({ reload: options.reload_signal, forward: runtime.forward_signals });
  }

  /** Restores files after the runtime directory was deleted and created again. */
  async #restoreFiles(): Promise<void> {
    for (const process of this.#service.generations.processes()) process.bindNotifyAgain();
    this.#record.restore();
    await this.#observation.control.restore();
    this.#continuity.recorder.retry();
  }

  #report(fact: Fact): void {
    this.#observation.report(fact);
  }

  #exit(code: number): void {
    this.#leave(code).catch((error: unknown) => {
      this.#boundary.caught('exit', error);
      this.#finish(code);
    });
  }

  async #leave(code: number): Promise<void> {
    this.#isStopping = true;
    this.#service.stopRunning();
    // The keeper would start another supervisor, and clients would wait in the queues of its sockets.
    await this.#continuity.sockets.end();
    this.#directory.close();
    this.#service.close();
    this.#continuity.recorder.remove();
    this.#record.close();
    await this.#observation.endService();
    const { stop, generations } = this.#service.state;
    const duration = stop ? now() - stop.since : 0;
    const ended = generations.length === 0 ? 'the service could not be started' : 'the service has exited';
    const reason = stop ? 'it was asked to stop' : ended;
    this.#report({ event: 'supervisor_stopped', code, reason, duration });
    await this.#observation.end();
    this.#service.table.close();
    this.#signals?.close();
    await this.#observation.control.close();
    this.#finish(code);
  }
}
