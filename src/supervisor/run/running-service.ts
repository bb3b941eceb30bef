import { now, timers as systemTimers } from '../../common/clock.ts';
import type { Config } from '../../config/index.ts';
import type { Hash } from '../../history/executables.ts';
import type { Rollback } from '../../lifecycle/events.ts';
import type { ExitStatus, Fact } from '../../lifecycle/facts.ts';
import { type State, servingGeneration } from '../../lifecycle/state.ts';
import { type Kernel, linux } from '../../linux/kernel.ts';
import { processMemory } from '../../linux/process-usage.ts';
import { socketInodes } from '../../linux/socket-inodes.ts';
import type { PassedSockets } from '../../listeners/binding/passed-sockets.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import { WorkerConnections } from '../../workers/processes/connections.ts';
import { describeRefusal } from '../../workers/processes/delivery.ts';
import { ProcessTable } from '../../workers/processes/process-table.ts';
import type { CommandSystem } from '../../workers/spawning/command.ts';
import type { Continuity } from '../continuity/continuity.ts';
import { LaneLog } from '../observe/lane-log.ts';
import type { Observation } from '../observe/observation.ts';
import { checkUnit } from '../start/unit-check.ts';
import type { Situation } from '../state-format/write.ts';
import type { SupervisorOptions } from '../supervisor-options.ts';
import { type Boundary, guardedTimers } from './boundary.ts';
import { ConfigRemarks } from './config-remarks.ts';
import type { Engine } from './engine.ts';
import { Footprint } from './footprint.ts';
import { gateCommand } from './gate-command.ts';
import type { Generations } from './generations.ts';
import { guardedKernel } from './guarded-kernel.ts';
import { hashCommand } from './hash-command.ts';
import { HookRunner } from './hook-runner.ts';
import { ListeningWatch } from './listening-watch.ts';
import { type Prepared, prepare } from './prepare.ts';
import type { PreparedReleases } from './prepared-releases.ts';
import { labelOf } from './release-label.ts';
import { ReleaseWatcher } from './release-watcher.ts';
import { Runner } from './runner.ts';
import { markOfHook, RunningCommands } from './running-commands.ts';
import { placesOf } from './unix-names.ts';

export interface ServiceContext {
  readonly boundary: Boundary;
  readonly listeners: ListenerSet;
  readonly passed: PassedSockets;
  readonly releases: PreparedReleases;
  readonly observation: Observation;
  /** Must not be called before the constructor has returned. */
  readonly continuity: () => Continuity;
  /** Called when a generation was promoted. The supervisor's own settings then come from its config. */
  readonly promoted: (generation: number, prepared: Prepared) => void;
  /** Called after a batch of events; see Engine. */
  readonly settled: (state: State, happened: boolean) => void;
  readonly exit: (exit: ExitStatus) => void;
  /** Called when the watched files have changed. */
  readonly changed: () => void;
}

const RELOAD = {
  type: 'reload',
  ticket: null,
  preview: false,
  replace: false,
  timeout: null,
  rollback: null,
  label: null,
} as const;

/** Watches that the core does not request. */
interface Watches {
  /** Watches for shutdown(2) of lanes by services. */
  readonly lanes: LaneLog;
  /** Watches where workers listen. */
  readonly listening: ListeningWatch;
  /** Watches the files of `service.watch`. */
  readonly files: ReleaseWatcher;
  /** Watches the memory of zero itself. */
  readonly footprint: Footprint;
}

/**
 * The parts that run the service: the engine with its effects, generations and workers, the commands and hooks, and the
 * watches that the core does not request.
 */
export class RunningService {
  readonly kernel: Kernel;
  readonly table: ProcessTable;
  readonly runner: Runner;
  /** The system with registered commands of zero. */
  readonly commands: CommandSystem;
  readonly hooks: HookRunner;
  readonly #options: SupervisorOptions;
  readonly #context: ServiceContext;
  readonly #running: RunningCommands;
  readonly #remarks: ConfigRemarks;
  readonly #watches: Watches;
  readonly #firstHandover: number;
  /** The handover that uses the config that zero was started with; null for none. */
  readonly #startHandover: number | null;

  constructor(options: SupervisorOptions, context: ServiceContext) {
    const { recovered, adopts, instance } = options;
    const { boundary, observation } = context;
    this.#options = options;
    this.#context = context;
    const report = (fact: Fact) => observation.report(fact);
    this.kernel = guardedKernel(linux, boundary);
    this.table = new ProcessTable(this.kernel, (run) => this.runner.engine.batch(run));
    const { runtimeDirectory } = instance;
    const started = () => context.continuity().recorder.note(this.state, this.generations);
    const next = recovered?.saved.next_numbers.command ?? 1;
    this.#running = new RunningCommands({ kernel: this.kernel, runtimeDirectory, next, recorded: started });
    const system: CommandSystem = {
      kernel: this.kernel,
      table: this.table,
      refused: (refusals) => {
        for (const refusal of refusals)
          report({ event: 'error', step: 'signal', message: describeRefusal('SIGKILL', refusal) });
      },
    };
    this.commands = { ...system, register: () => this.#running.register() };
    this.hooks = new HookRunner({
      system,
      mark: (hook) => markOfHook(runtimeDirectory, hook),
      started,
      instance: instance.name,
      environment: options.environment,
      startDirectory: options.folder,
      post: (happening) => this.runner.engine.post(happening),
    });
    this.#remarks = new ConfigRemarks(report, context.passed);
    const first = observation.history.firstNumbers();
    this.#firstHandover = recovered === null ? first.handover : 0;
    // After a recovery or an adoption, every handover reads the config again.
    this.#startHandover = recovered === null && !adopts ? first.handover : null;
    this.#watches = this.#makeWatches();
    this.runner = this.#makeRunner(first.generation);
  }

  get state(): State {
    return this.runner.engine.state;
  }

  get generations(): Generations {
    return this.runner.generations;
  }

  readonly post: Engine['post'] = (happening) => this.runner.engine.post(happening);

  /** Requests a handover to the current config. */
  reload(by: string): void {
    this.post({ ...RELOAD, by });
  }

  /** Hashes executables. */
  get hash(): Hash {
    return hashCommand(this.commands);
  }

  /** The running processes of commands and hooks. */
  processes(): Pick<Situation, 'commands' | 'hooks'> {
    return { commands: this.#running.situation(), hooks: this.hooks.processes() };
  }

  /** The config of the generation that serves; until then, that of the start. */
  config(): Config {
    const serving = servingGeneration(this.state);
    const prepared = serving === null ? undefined : this.#context.releases.ofGeneration(serving);
    return prepared?.config ?? this.#options.config;
  }

  /** Starts the watches that need workers: the state of their lanes, and the watched files. */
  open(): void {
    const { lanes, footprint, files } = this.#watches;
    // Not earlier: only a worker can shut down a lane.
    lanes.start();
    footprint.begin();
    void files.configure(this.#options.config);
    void checkUnit(this.commands, (fact) => this.#context.observation.report(fact));
  }

  /** Called after each batch of events while workers exist. */
  settled(happened: boolean): void {
    this.#watches.listening.arm();
    this.#watches.footprint.disturbed(happened);
  }

  /** Sends a signal to every worker. */
  forward(signal: string): void {
    for (const process of this.generations.processes()) {
      for (const refusal of process.signal(signal).refused)
        this.#context.observation.report({
          event: 'error',
          step: 'signal',
          message: describeRefusal(signal, refusal),
        });
    }
  }

  /** Reads the config and prepares its release. `isFirst`: uses the config that zero was started with. */
  async prepare(
    rollback: Rollback | null,
    claim: (executable: string) => void,
    isFirst = this.state.handover?.id === this.#startHandover,
  ) {
    const { source, config, instance, environment, folder } = this.#options;
    const { listeners, observation, continuity } = this.#context;
    const result = await prepare(
      isFirst ? { load: () => config, snapshot: source.snapshot, read: source.read } : source,
      isFirst ? null : { config, name: instance.name },
      {
        listeners,
        environment,
        startDirectory: folder,
        earlier: async () => rollback && observation.history.earlier(rollback, this.state.incumbent, claim),
        remark: (files) => this.#remarks.lookAtFiles(files),
      },
    );
    continuity().recorder.look();
    if ('config' in result) this.#remarks.look(result.config);
    return result;
  }

  /** Finds the label of the release of a generation. */
  findLabel(generation: number, prepared: Prepared): void {
    void labelOf(prepared, this.#options.folder).then(
      (found) => found && this.post({ type: 'labelled', generation, ...found }),
    );
  }

  /** Stops the engine: no further events or effects. */
  stopRunning(): void {
    this.runner.close();
  }

  /** Ends every watch. */
  close(): void {
    for (const watch of Object.values(this.#watches)) watch.close();
  }

  #makeWatches(): Watches {
    const { boundary, listeners, observation, changed } = this.#context;
    const report = (fact: Fact) => observation.report(fact);
    const timers = guardedTimers(systemTimers, boundary);
    return {
      lanes: new LaneLog(listeners, report),
      listening: new ListeningWatch({
        kernel: linux,
        listeners,
        workers: () => this.generations.processes(),
        timers,
        now,
        report,
        failed: (error) => boundary.caught('find addresses of workers', error),
      }),
      files: new ReleaseWatcher({
        timers,
        startDirectory: this.#options.folder,
        watching: (paths) => report({ event: 'watching', paths }),
        changed,
        warn: (message) => report({ event: 'warning', about: 'watch', message }),
      }),
      footprint: new Footprint(systemTimers),
    };
  }

  #makeRunner(firstGeneration: number): Runner {
    const { recovered, adopts, instance } = this.#options;
    const { boundary, listeners, releases, observation, continuity, settled, exit } = this.#context;
    const { outlets, output, history, endpoint } = observation;
    return new Runner({
      kernel: this.kernel,
      listeners,
      timers: guardedTimers(systemTimers, boundary),
      now,
      table: this.table,
      boundary,
      report: (fact) => observation.report(fact),
      connections: new WorkerConnections(() => placesOf(listeners.snapshot())),
      socketsOf: socketInodes,
      memory: processMemory,
      runCommand: (prepared) => gateCommand(prepared, this.commands),
      runtimeDirectory: instance.runtimeDirectory,
      stdout: outlets.stdout,
      stderr: outlets.stderr,
      output,
      files: outlets.files,
      firstGeneration,
      firstHandover: this.#firstHandover,
      ...(recovered && { initial: recovered.state }),
      ...(adopts && { first: 'adopted' }),
      inspectLanes: () => this.#watches.lanes.lookSoon(),
      write: (stored) => (stored === 'state' ? continuity().recorder : history).retry(),
      answer: (ticket, refusal) => endpoint.answer(ticket, refusal),
      scaled: (ticket, result) => endpoint.scaled(ticket, result),
      releases,
      prepare: (rollback, claim) => this.prepare(rollback, claim),
      adopted: (handover, generation, prepared) => {
        history.adopted(handover, generation, prepared);
        this.findLabel(generation, prepared);
      },
      promoted: (generation, prepared) => this.#promoted(generation, prepared),
      accepted: (ticket, handover) => endpoint.accept(ticket, handover),
      verdict: (tickets, verdict) => endpoint.tell(tickets, verdict),
      concluded: (verdict) => endpoint.conclude(verdict),
      runHook: (hook, config) => this.hooks.run(hook, config),
      killHook: (hook) => this.hooks.kill(hook),
      keepSockets: (version) => continuity().sockets.keep(version),
      exit,
      before: (state, effects) => continuity().recorder.ahead(state, effects, this.generations),
      settled,
    });
  }

  #promoted(generation: number, prepared: Prepared): void {
    const { observation, promoted } = this.#context;
    promoted(generation, prepared);
    observation.history.promoted(generation, prepared);
    // After a rollback the directory is that of the earlier release.
    if (prepared.rollbackTo === null) void this.#watches.files.configure(prepared.config);
  }
}
