import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { now, timers as systemTimers } from '../common/clock.ts';
import { errorText } from '../common/errors.ts';
import { signalNumber } from '../common/signals.ts';
import type { Config } from '../config/index.ts';
import type { StatusDocument } from '../control/documents.ts';
import { EventLog } from '../control/event-log.ts';
import type { StoredFile } from '../lifecycle/effects.ts';
import type { Rollback } from '../lifecycle/events.ts';
import type { ExitStatus, Fact } from '../lifecycle/facts.ts';
import { openHandovers } from '../lifecycle/requests.ts';
import { type State, servingGeneration } from '../lifecycle/state.ts';
import { linux } from '../linux/kernel.ts';
import { processMemory } from '../linux/process-usage.ts';
import { becomeSubreaper } from '../linux/processes.ts';
import { keepSpare } from '../linux/spare.ts';
import { ListenerSet } from '../listeners/listener-set.ts';
import { PassedSockets, storedDescriptors } from '../listeners/passed-sockets.ts';
import type { CommandSystem } from '../workers/command.ts';
import { WorkerConnections } from '../workers/connections.ts';
import { describeRefusal } from '../workers/delivery.ts';
import { OutputLog } from '../workers/output-log.ts';
import { ProcessTable } from '../workers/process-table.ts';
import { earlierProblem } from '../workers/release.ts';
import { ReleaseError } from '../workers/release-error.ts';
import { resolveUser, type TargetUser } from '../workers/target-user.ts';
import { AdminDesk } from './admin-desk.ts';
import type { TakeService } from './adoption/take-service.ts';
import { Boundary, guardedTimers } from './boundary.ts';
import { ConfigRemarks } from './config-remarks.ts';
import { ConfigError, type ConfigSource } from './config-source.ts';
import { ConnectionCounter } from './connection-counter.ts';
import { ControlAccess } from './control-access.ts';
import { ControlDesk, ticketAfter } from './control-desk.ts';
import { releaseFiles } from './current-executable.ts';
import { writeFailure } from './effect-failure.ts';
import type { Engine } from './engine.ts';
import { Footprint } from './footprint.ts';
import { gateCommand } from './gate-command.ts';
import { guardedKernel } from './guarded-kernel.ts';
import { hashCommand } from './hash-command.ts';
import { HistoryKeeper } from './history-keeper.ts';
import { HookRunner } from './hook-runner.ts';
import { controlSocketOf, type Instance } from './instance.ts';
import { InstanceRecord } from './instance-record.ts';
import { LaneLog } from './lane-log.ts';
import { ListenerLog } from './listener-log.ts';
import { ListeningWatch } from './listening-watch.ts';
import { logWriter } from './log-writer.ts';
import { Meter } from './meter.ts';
import { Outlets } from './outlets.ts';
import { ownCommand } from './own-command.ts';
import { type Prepared, prepare } from './prepare.ts';
import { PreparedReleases } from './prepared-releases.ts';
import type { Recovered } from './recovery/recovered.ts';
import { takeOver } from './recovery/take-over.ts';
import { labelOf } from './release-label.ts';
import { Reporter } from './reporter.ts';
import { isManaged, type Restarted } from './restarted.ts';
import { Runner } from './runner.ts';
import { markOfHook, RunningCommands } from './running-commands.ts';
import { RuntimeDirectory } from './runtime-directory.ts';
import { signalWorkers } from './signal-workers.ts';
import type { Signals } from './signals.ts';
import { SocketKeeping } from './socket-keeping.ts';
import { StartAdvice } from './start-advice.ts';
import { StateFile } from './state-file.ts';
import { StateRecorder } from './state-recorder.ts';
import { statusOf } from './status.ts';
import { TelemetryDesk } from './telemetry-desk.ts';
import { checkUnit } from './unit-check.ts';
import { placesOf } from './unix-names.ts';
import type { Handed } from './upgrade/handed.ts';
import { handOverTo } from './upgrade/replace.ts';
import { SelfUpgrade } from './upgrade/self-upgrade.ts';
import { UsageReader } from './usage-reader.ts';
import { VaultKeeping } from './vault-keeping.ts';
import { WatchDesk } from './watch-desk.ts';

const RELOAD = {
  type: 'reload',
  ticket: null,
  preview: false,
  replace: false,
  timeout: null,
  rollback: null,
  label: null,
} as const;

export interface SupervisorOptions {
  readonly source: ConfigSource;
  readonly version: string;
  readonly config: Config;
  readonly instance: Instance;
  /** The descriptor of its lock. */
  readonly lock: number;
  /** zero's own environment. */
  readonly environment: readonly Buffer[];
  /** The working directory as the user sees it. */
  readonly folder: string;
  /** The service of a dead supervisor that is continued; null: a new one is started. */
  readonly recovered: Recovered | null;
  /** The keeper that started this process; null: something else did. */
  readonly restarted: Restarted | null;
  /** The arguments with which another zero continues this one; null: those of this process. */
  readonly again: readonly string[] | null;
  /** `adopt` is called next. */
  readonly adopts: boolean;
}

const STDERR = 2;

/** How long what was written by the services and by zero may take to reach its reader when zero leaves. */
const FLUSH_TIME = 1_000;

/** How long the control socket and the rest of the supervisor wait at most for the start of the service. */
const SERVICE_FIRST = 100;

/** The shell around the core: it owns one of everything, and connects them. */
export class Supervisor {
  /** Resolves to the exit code when there is nothing left to do. */
  readonly finished: Promise<number>;
  readonly #options: SupervisorOptions;
  readonly #environment: readonly Buffer[];
  readonly #table: ProcessTable;
  readonly #outlets: Outlets;
  readonly #listeners: ListenerSet;
  readonly #releases = new PreparedReleases(releaseFiles((generation) => this.#history.copyOf(generation)));
  readonly #runner: Runner;
  readonly #desk: ControlDesk;
  readonly #lanes: LaneLog;
  readonly #boundary = new Boundary((fact) => this.#report(fact));
  readonly #history: HistoryKeeper;
  readonly #firstHandover: number;
  readonly #watch: WatchDesk;
  readonly #startedAt: number;
  readonly #events = new EventLog(Date.now);
  readonly #output = new OutputLog();
  readonly #control: ControlAccess;
  readonly #admin: AdminDesk;
  readonly #connections: ConnectionCounter;
  readonly #usage: UsageReader;
  readonly #listening: ListeningWatch;
  readonly #recorder: StateRecorder;
  readonly #footprint = new Footprint(systemTimers);
  readonly #commands: RunningCommands;
  readonly #hooks: HookRunner;
  readonly #keeping: SocketKeeping;
  readonly #upgrade: SelfUpgrade;
  readonly #memory: VaultKeeping;
  readonly #telemetry: TelemetryDesk;
  readonly #passed = new PassedSockets(process.env, process.pid);
  readonly #remarks = new ConfigRemarks((fact) => this.#report(fact), this.#passed);
  readonly #record: InstanceRecord;
  readonly #directory: RuntimeDirectory;
  readonly #checkUnit: () => Promise<void>;
  // The history first: a recipient of a fact may read it there.
  #reporter: Reporter | null = null;
  #signals: Signals | null = null;
  /** Ends an adoption that is in progress; null: none is. */
  #adoption: AbortController | null = null;
  #isLeaving = false;
  #isOpen = false;
  #finish: (code: number) => void = () => {};

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { recovered, restarted } = options;
    this.#startedAt = recovered?.before.firstStarted ?? now();
    this.#environment = options.environment;
    this.#outlets = new Outlets(options.instance.name, (fact) => this.#report(fact));
    this.#telemetry = new TelemetryDesk(options.config, {
      name: options.instance.name,
      version: options.version,
      fd: STDERR,
      writer: logWriter(this.#outlets.stderr, STDERR),
      secrets: () => this.#releases.secrets(),
      timers: systemTimers,
    });
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    const report = (fact: Fact) => this.#report(fact);
    const { source, config, instance } = options;
    this.#memory = new VaultKeeping({
      releases: this.#releases,
      environment: options.environment,
      directory: options.folder,
      failed: (step, error) => this.#error(step, error),
    });
    this.#record = new InstanceRecord(
      {
        instance,
        version: options.version,
        directory: options.folder,
        controlSocket: controlSocketOf(config, instance).path,
        configFile: source.read,
      },
      (message) => report({ event: 'warning', about: 'instance', message }),
    );
    this.#directory = new RuntimeDirectory({
      instance,
      nameOption: source.file === null ? '--name' : 'runtime.name',
      lock: options.lock,
      timers: systemTimers,
      controlSocket: () => this.#control.path,
      restore: () => this.#restoreFiles(),
      report,
    });
    const post: Engine['post'] = (happening) => this.#runner.engine.post(happening);
    const boundary = this.#boundary;
    const kernel = guardedKernel(linux, boundary);
    const timers = guardedTimers(systemTimers, boundary);
    this.#table = new ProcessTable(kernel, (run) => this.#runner.engine.batch(run));
    const started = () => this.#recorder.note(this.#state, this.#runner.generations);
    const { runtimeDirectory } = options.instance;
    const next = recovered?.saved.next_numbers.command ?? 1;
    this.#commands = new RunningCommands({ kernel, runtimeDirectory, next, recorded: started });
    const ofHooks: CommandSystem = {
      kernel,
      table: this.#table,
      refused: (refusals) => {
        for (const refusal of refusals)
          report({ event: 'error', step: 'signal', message: describeRefusal('SIGKILL', refusal) });
      },
    };
    const commands: CommandSystem = { ...ofHooks, register: () => this.#commands.register() };
    const command = () => ownCommand(options.again);
    this.#checkUnit = () => checkUnit(commands, report);
    this.#upgrade = new SelfUpgrade({
      version: options.version,
      command,
      system: commands,
      environment: options.environment,
      directory: options.folder,
      state: () => this.#state,
      vault: () => this.#memory.vault,
      report,
      execute: (program, older) =>
        handOverTo(program, older, {
          environment: options.environment,
          control: this.#control,
          generations: this.#runner.generations,
          memory: this.#memory,
          recorder: this.#recorder,
          flush: () => this.#flush(),
          handed: () => this.#handed(),
          failed: (step, error) => this.#error(step, error),
        }),
    });
    const warn = (message: string) => report({ event: 'warning', about: 'listener', message });
    this.#listeners = new ListenerSet({ warn, passed: this.#passed });
    this.#lanes = new LaneLog(this.#listeners, report);
    this.#history = new HistoryKeeper({
      dataDirectory: options.instance.dataDirectory,
      clock: Date.now,
      hash: hashCommand(commands),
      report,
      inUse: () => this.#releases.executables(),
      mayRun: (executable, directory) => earlierProblem({ executable, directory }, this.#user()),
      serving: () => servingGeneration(this.#state),
      failed: (error, file) => {
        const failure = writeFailure('write history', file, error);
        post({ type: 'write_failed', file: 'history', failure });
      },
      recovered: () => post({ type: 'done', effect: { type: 'write', file: 'history' } }),
    });
    const first = this.#history.firstNumbers();
    // Of a service that is continued every handover reads the config again.
    this.#firstHandover = recovered === null ? first.handover : 0;
    this.#desk = new ControlDesk({
      post,
      status: () => this.#status(),
      restarts: () => this.#keeping.restarts,
      upgrade: ({ path: script, node, timeoutMs: timeout }, onAnswer) =>
        void this.#upgrade.request({ script, node, timeout }, onAnswer),
      firstTicket: recovered === null ? 1 : ticketAfter(recovered.state),
      history: () => this.#history.document(),
      signal: (signal) => signalWorkers(signal, this.#state.incumbent, this.#runner.generations, report),
      handovers: () => ({
        open: openHandovers(this.#state),
        current: this.#state.handover?.id ?? null,
      }),
      recorded: () => this.#history.handovers(),
    });
    const hooks = new HookRunner({
      system: ofHooks,
      mark: (hook) => markOfHook(runtimeDirectory, hook),
      started,
      instance: options.instance.name,
      environment: this.#environment,
      startDirectory: this.#options.folder,
      post,
    });
    this.#hooks = hooks;
    this.#keeping = new SocketKeeping({
      kernel,
      table: this.#table,
      instance: options.instance,
      environment: this.#environment,
      listeners: this.#listeners,
      post,
      report,
      policy: () => this.#servingConfig().application.restart_supervisor,
      restarted,
      vault: () => this.#memory.vault,
      stored: storedDescriptors(process.env, process.pid).map(({ name }) => name),
      command,
    });
    this.#watch = new WatchDesk({
      timers,
      startDirectory: this.#options.folder,
      watching: (paths) => report({ event: 'watching', paths }),
      changed: () => this.reload('watch'),
      warn: (message) => report({ event: 'warning', about: 'watch', message }),
    });
    const written = (stored: StoredFile) => () =>
      post({ type: 'done', effect: { type: 'write', file: stored } });
    const file = new StateFile({
      instance: options.instance,
      version: options.version,
      configFile: options.source.file && path.resolve(options.folder, options.source.file),
      before: recovered?.before ?? null,
      vault: () => this.#memory.vault,
      failed: (error) => {
        const failure = writeFailure('write state', file.file, error);
        this.#directory.look();
        post({ type: 'write_failed', file: 'state', failure });
      },
      recovered: written('state'),
    });
    this.#recorder = new StateRecorder({
      listeners: this.#listeners,
      log: new ListenerLog(report),
      file,
      others: () => ({
        keeper: this.#keeping.identity,
        commands: this.#commands.situation(),
        hooks: this.#hooks.processes(),
      }),
    });
    this.#runner = new Runner({
      kernel,
      listeners: this.#listeners,
      timers,
      now,
      table: this.#table,
      boundary,
      report,
      connections: new WorkerConnections(() => placesOf(this.#listeners.snapshot())),
      memory: processMemory,
      runCommand: (prepared) => gateCommand(prepared, commands),
      runtimeDirectory: options.instance.runtimeDirectory,
      stdout: this.#outlets.stdout,
      stderr: this.#outlets.stderr,
      output: this.#output,
      files: this.#outlets.files,
      firstGeneration: first.generation,
      firstHandover: this.#firstHandover,
      ...(recovered && { initial: recovered.state }),
      ...(options.adopts && { first: 'adopted' }),
      inspectLanes: () => this.#lanes.lookSoon(),
      write: (stored) => (stored === 'state' ? this.#recorder : this.#history).retry(),
      answer: (ticket, refusal) => this.#desk.answer(ticket, refusal),
      scaled: (ticket, result) => this.#desk.scaled(ticket, result),
      releases: this.#releases,
      prepare: (rollback, claim) => this.#prepare(rollback, claim),
      adopted: (handover, generation, prepared) => {
        this.#history.adopted(handover, generation, prepared);
        this.#findLabel(generation, prepared);
      },
      promoted: (generation, prepared) => {
        this.#promoted(generation, prepared);
        this.#history.promoted(generation, prepared);
        // Of a rollback the directory is that of then.
        if (prepared.rollbackTo === null) void this.#watch.configure(prepared.config);
      },
      accepted: (ticket, handover) => this.#desk.accept(ticket, handover),
      verdict: (tickets, verdict) => this.#desk.tell(tickets, verdict),
      concluded: (verdict) => this.#desk.conclude(verdict),
      runHook: (hook, config) => hooks.run(hook, config),
      killHook: (hook) => hooks.kill(hook),
      keepSockets: (version) => this.#keeping.keep(version),
      exit: (exit) => {
        const code = exitCodeOf(exit);
        this.#leave(code).catch((error: unknown) => {
          boundary.caught('exit', error);
          this.#finish(code);
        });
      },
      before: (state, effects) => this.#recorder.ahead(state, effects, this.#runner.generations),
      settled: (state, happened) => {
        const { generations } = this.#runner;
        this.#recorder.settled(state, generations);
        this.#memory.look();
        this.#keeping.look();
        if (generations.processes().length === 0 || state.exit) return;
        this.#open();
        this.#listening.arm();
        this.#footprint.disturbed(happened);
      },
    });
    this.#listening = new ListeningWatch({
      kernel: linux,
      listeners: this.#listeners,
      workers: () => this.#runner.generations.processes(),
      timers,
      report,
      failed: (error) => boundary.caught('find addresses of workers', error),
    });
    this.#connections = new ConnectionCounter(this.#runner.generations, this.#listeners, now);
    this.#control = new ControlAccess({
      config,
      instance,
      version: options.version,
      control: this.#desk,
      sights: {
        events: this.#events,
        output: this.#output,
        outputFile: () => this.#outputFile(),
        connections: () => this.#connections.count(),
        usage: () => this.#usage.read(),
      },
      report,
      failed: (step, error) => this.#error(step, error),
    });
    this.#usage = new UsageReader({ processes: () => this.#runner.generations.processes(), now });
    const meter = new Meter(this.#usage, this.#listeners, this.#connections, now);
    this.#admin = new AdminDesk(options.config.application.admin, {
      source: { status: () => this.#status(), readings: () => meter.read() },
      now,
      report,
      ownSocket: (inode) => this.#listeners.nameOf(inode),
    });
    const advice = new StartAdvice({
      find: (generation) =>
        this.#history.lastGood(this.#releases.ofGeneration(generation ?? 0)?.record ?? null),
      report,
      isRunning: () => this.#state.exit === null,
      instance:
        options.source.file === null ? `--name ${options.instance.name}` : `--config ${options.source.file}`,
    });
    this.#reporter = new Reporter([
      this.#history,
      this.#telemetry,
      this.#events,
      this.#desk,
      this.#admin,
      advice,
    ]);
  }

  get #state(): State {
    return this.#runner.engine.state;
  }

  /** Starts the service. `known`: what was found out before. */
  start(signals: Signals, known: readonly Fact[]): void {
    this.#begin(signals, known);
    this.#table.start();
    this.#runner.engine.post({ ...RELOAD, by: 'start' });
    this.#configureSignals(this.#options.config);
    // Hooks and gates of a first start may take long.
    setTimeout(() => this.#open(), SERVICE_FIRST);
  }

  /**
   * Continues the service of a dead supervisor. Rejects with what takeOver() does: the service is as before then.
   * @param known what was found out before
   */
  async resume(signals: Signals, recovered: Recovered, known: readonly Fact[]): Promise<void> {
    const { config, folder: startDirectory } = this.#options;
    this.#begin(signals, known);
    const event = await takeOver(recovered, {
      listeners: this.#listeners,
      releases: this.#releases,
      generations: this.#runner.generations,
      hooks: this.#hooks,
      history: this.#history,
      config,
      environment: this.#environment,
      startDirectory,
      report: (fact) => this.#report(fact),
      kernel: linux,
      timers: systemTimers,
    });
    this.#table.start();
    this.#memory.open(this.#options.recovered?.vault ?? null);
    this.#runner.engine.post(event);
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
      incumbent: servingGeneration(this.#state),
      socketsFrom: recovered.socketsFrom,
      duration: now() - recovered.since,
    });
    this.#open();
  }

  /**
   * Begins with a service that something else has started. Rejects with AdoptionError: the service is as before then.
   * @param known what was found out before
   */
  async adopt(signals: Signals, take: TakeService, known: readonly Fact[]): Promise<void> {
    const { config } = this.#options;
    this.#begin(signals, known);
    const adoption = new AbortController();
    this.#adoption = adoption;
    this.#configureSignals(config);
    const prepare = () => this.#prepare(null, () => {}, true);
    const taken = await take({ config, listeners: this.#listeners, prepare, stopped: adoption.signal });
    const { generations, engine } = this.#runner;
    const generation = engine.state.nextGeneration;
    const { prepared, pid, processes, addresses, remarks } = taken;
    this.#releases.restore(generation, prepared);
    generations.add(generation);
    this.#table.start();
    // A signal that came meanwhile is acted on first.
    await turn();
    const adopted = taken.adopt(generation, generations);
    this.#adoption = null;
    this.#history.adopted(null, generation, prepared);
    engine.post(adopted);
    this.#findLabel(generation, prepared);
    this.#report({ event: 'service_adopted', generation, pid, processes, addresses });
    for (const message of remarks) this.#report({ event: 'warning', about: 'adopt', message });
    this.#open();
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

  /** Opens what others look at this instance through and act on it. Idempotent. */
  #open(): void {
    if (this.#isOpen || this.#isLeaving) return;
    this.#isOpen = true;
    // No earlier: only a worker can shut down a lane.
    this.#lanes.start();
    this.#memory.open(this.#options.recovered?.vault ?? null);
    this.#keeping.open(this.#state.sockets, this.#options.recovered?.keepers ?? []);
    this.#record.open();
    this.#directory.open();
    this.#footprint.begin();
    const { config } = this.#options;
    // Not of a first start that failed at once.
    if (!this.#state.exit) void this.#control.open();
    this.#admin.configure(config.application.admin);
    void this.#watch.configure(config);
    void this.#checkUnit();
  }

  /** The config of the generation that serves; before one does, that of the start. */
  #servingConfig(): Config {
    const serving = servingGeneration(this.#state);
    const prepared = serving === null ? undefined : this.#releases.ofGeneration(serving);
    return prepared?.config ?? this.#options.config;
  }

  /**
   * Reports an exception that nothing else has caught. Returns false where no service runs that the process should
   * live for.
   */
  caught(step: string, error: unknown): boolean {
    const isNeeded = this.#runner.generations.processes().length > 0 || this.#isLeaving;
    if (isNeeded) this.#boundary.caught(step, error);
    return isNeeded;
  }

  /** Asks for a handover. */
  reload(by: string): void {
    this.#runner.engine.post({ ...RELOAD, by });
  }

  /** Stops the service and then the supervisor. A service that is being adopted does not belong to zero yet. */
  stop(by: string, immediately: boolean): void {
    if (this.#adoption !== null) {
      this.#adoption.abort(by);
      return;
    }
    this.#runner.engine.post({ type: 'stop', by, now: immediately });
  }

  /** Opens zero's own files again. */
  reopenLogs(): void {
    this.#telemetry.reopen();
    this.#outlets.files.reopen();
  }

  async #flush(): Promise<void> {
    await this.#telemetry.flush(FLUSH_TIME);
    await this.#outlets.flush(FLUSH_TIME);
  }

  /** Passes a signal on to every worker. */
  forward(signal: string): void {
    for (const process of this.#runner.generations.processes()) {
      for (const refusal of process.signal(signal).refused)
        this.#report({ event: 'error', step: 'signal', message: describeRefusal(signal, refusal) });
    }
  }

  /** Replaces the program of this process by the zero that is installed now, once nothing is in progress. */
  upgrade(): void {
    void this.#upgrade.request({ script: null, node: null, timeout: null }, () => {});
  }

  /** What another program in this process needs. Throws Error where there is no memory that outlives this one. */
  #handed(): Handed {
    const { version, instance } = this.#options;
    return {
      from: version,
      since: now(),
      lock: this.#directory.lock,
      fifo: this.#keeping.fifoFd,
      vault: this.#memory.require().fd,
      sockets: this.#listeners.kept().map(({ fd }) => fd),
      runtimeDirectory: instance.runtimeDirectory,
    };
  }

  #status(): StatusDocument {
    const { instance, source, version, recovered } = this.#options;
    const state = this.#state;
    const keeper = this.#keeping.identity;
    const listeners = this.#listeners;
    return statusOf({
      name: instance.name,
      configFile: source.read,
      version,
      startedAt: this.#startedAt,
      supervisor: {
        restarts: recovered?.before.restarts ?? 0,
        upgrades: recovered?.before.upgrades ?? 0,
        started_by: recovered?.by ?? (isManaged(process.env) ? 'service_manager' : 'manual'),
        restarted_when_killed: this.#keeping.restarts,
      },
      keeper: keeper && { pid: keeper.pid, sockets: this.#keeping.sockets },
      now: now(),
      state,
      listeners,
      deviationOf: (generation) => this.#runner.generations.deviationOf(generation),
    });
  }

  /** Of the generation that serves, or else of the newest. */
  #outputFile(): string | null {
    const { incumbent, generations } = this.#state;
    const generation = incumbent ?? generations.at(-1)?.id;
    return generation === undefined ? null : this.#outlets.files.pathOf(generation);
  }

  /** The runtime directory was deleted and is there again. */
  async #restoreFiles(): Promise<void> {
    for (const process of this.#runner.generations.processes()) process.bindNotifyAgain();
    this.#record.restore();
    await this.#control.restore();
    this.#recorder.retry();
  }

  #report(fact: Fact): void {
    (this.#reporter ?? this.#telemetry).report(fact);
  }

  #error(step: string, error: unknown): void {
    const why = errorText(error);
    this.#report({ event: 'error', step, message: `${step}: ${why}` });
  }

  #findLabel(generation: number, prepared: Prepared): void {
    void labelOf(prepared, this.#options.folder).then(
      (found) => found && this.#runner.engine.post({ type: 'labelled', generation, ...found }),
    );
  }

  async #prepare(
    rollback: Rollback | null,
    claim: (executable: string) => void,
    first = this.#state.handover?.id === this.#firstHandover,
  ) {
    const { source, config, instance } = this.#options;
    const result = await prepare(
      first ? { load: () => config, snapshot: source.snapshot, read: source.read } : source,
      first ? null : { config, name: instance.name },
      {
        listeners: this.#listeners,
        environment: this.#environment,
        startDirectory: this.#options.folder,
        earlier: async () => rollback && this.#history.earlier(rollback, this.#state.incumbent, claim),
        remark: (files) => this.#remarks.lookAtFiles(files),
      },
    );
    this.#recorder.look();
    if ('config' in result) this.#remarks.look(result.config);
    return result;
  }

  /** What the supervisor itself takes from a config is that of the generation that serves. */
  #promoted(generation: number, { config }: Prepared): void {
    this.#configureSignals(config);
    this.#record.update(this.#options.source.read);
    // That of the start is under way already.
    if (generation !== this.#state.firstGeneration) this.#admin.configure(config.application.admin);
    try {
      this.#telemetry.configure(config, FLUSH_TIME);
    } catch (error) {
      this.#error('open telemetry', error);
    }
  }

  /** The user of the next generation; null also where the config does not say a valid one. */
  #user(): TargetUser | null {
    try {
      const { user, group } = this.#options.source.load().service.runtime;
      return resolveUser(user, group);
    } catch (error) {
      if (error instanceof ConfigError || error instanceof ReleaseError) return null;
      throw error;
    }
  }

  #configureSignals(config: Config): void {
    const { options, runtime } = config.service;
    this.#signals?.configure({ reload: options.reload_signal, forward: runtime.forward_signals });
  }

  async #leave(code: number): Promise<void> {
    this.#isLeaving = true;
    this.#runner.close();
    // It would start another supervisor, and clients would wait in the queues of its sockets.
    await this.#keeping.end();
    this.#directory.close();
    this.#lanes.close();
    this.#listening.close();
    this.#watch.close();
    this.#footprint.close();
    this.#recorder.remove();
    this.#record.close();
    await this.#outlets.endService(FLUSH_TIME);
    this.#admin.close();
    const { stop } = this.#state;
    const duration = stop ? now() - stop.since : 0;
    const reason = stop ? 'it was asked to stop' : 'the service has ended';
    this.#report({ event: 'supervisor_stopped', code, reason, duration });
    await Promise.race([this.#history.close(), new Promise((resolve) => setTimeout(resolve, FLUSH_TIME))]);
    await this.#telemetry.close(FLUSH_TIME);
    // The log may go there, too.
    await this.#outlets.end(FLUSH_TIME);
    this.#table.close();
    this.#signals?.close();
    await this.#control.close();
    this.#finish(code);
  }
}

/** What the supervisor exits with, as the service did: 128 + the number of the signal that ended it. */
function exitCodeOf(exit: ExitStatus): number {
  if (exit.kind === 'signaled') return 128 + signalNumber(exit.signal);
  return exit.kind === 'exited' ? exit.code : 1;
}
