import path from 'node:path';
import { now } from '../../common/clock.ts';
import type { Config } from '../../config/index.ts';
import type { Control } from '../../control/control.ts';
import type { State } from '../../lifecycle/state.ts';
import type { Kernel } from '../../linux/kernel.ts';
import { storedDescriptors } from '../../listeners/binding/passed-sockets.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import type { ProcessTable } from '../../workers/processes/process-table.ts';
import type { CommandSystem } from '../../workers/spawning/command.ts';
import type { RuntimeDirectory } from '../instance/runtime-directory.ts';
import { ListenerLog } from '../observe/listener-log.ts';
import type { Observation } from '../observe/observation.ts';
import { writeFailure } from '../run/effect-failure.ts';
import type { Happening } from '../run/engine.ts';
import type { Generations } from '../run/generations.ts';
import type { PreparedReleases } from '../run/prepared-releases.ts';
import { ownCommand } from '../start/own-command.ts';
import type { Situation } from '../state-format/write.ts';
import type { SupervisorOptions } from '../supervisor-options.ts';
import type { Handed } from '../upgrade/handed.ts';
import { obstacleTo } from '../upgrade/obstacle.ts';
import { handOverTo } from '../upgrade/replace.ts';
import { SelfUpgrade } from '../upgrade/self-upgrade.ts';
import { SocketKeeping } from './socket-keeping.ts';
import { StateFile } from './state-file.ts';
import { StateRecorder } from './state-recorder.ts';
import { VaultKeeping } from './vault-keeping.ts';

export interface ContinuityContext {
  readonly kernel: Kernel;
  readonly table: ProcessTable;
  readonly listeners: ListenerSet;
  readonly releases: PreparedReleases;
  readonly observation: Observation;
  readonly directory: RuntimeDirectory;
  readonly commands: CommandSystem;
  /** The running processes of commands and hooks. */
  readonly processes: () => Pick<Situation, 'commands' | 'hooks'>;
  readonly state: () => State;
  readonly generations: () => Generations;
  /** The config of the generation that serves. */
  readonly config: () => Config;
  readonly post: (happening: Happening) => void;
}

/**
 * The parts by which another supervisor continues the service: the state on disk, the configs in memory, the process
 * that holds the sockets, and the upgrade of zero in this process.
 */
export class Continuity {
  readonly recorder: StateRecorder;
  readonly vault: VaultKeeping;
  readonly sockets: SocketKeeping;
  readonly #upgrade: SelfUpgrade;
  readonly #options: SupervisorOptions;
  readonly #context: ContinuityContext;

  constructor(options: SupervisorOptions, context: ContinuityContext) {
    this.#options = options;
    this.#context = context;
    const { observation, releases } = context;
    this.vault = new VaultKeeping({
      releases,
      environment: options.environment,
      directory: options.folder,
      failed: (step, error) => observation.failed(step, error),
    });
    this.sockets = this.#makeSockets();
    this.recorder = this.#makeRecorder();
    this.#upgrade = this.#makeUpgrade();
  }

  /** The keeper process, for the status; null for none. */
  get keeper(): { readonly pid: number; readonly sockets: number } | null {
    const { identity, sockets } = this.sockets;
    return identity && { pid: identity.pid, sockets };
  }

  /** Opens the memory for the configs of the service. Idempotent. */
  openVault(): void {
    this.vault.open(this.#options.recovered?.vault ?? null);
  }

  /** Makes another process hold the sockets from now on. */
  open(): void {
    this.openVault();
    this.sockets.open(this.#context.state().sockets, this.#options.recovered?.keepers ?? []);
  }

  /** Called when the state has changed and every effect was performed. */
  settled(state: State): void {
    this.recorder.settled(state, this.#context.generations());
    this.vault.look();
    this.sockets.look();
  }

  /** Replaces the program of this process with another zero, once no operation is in progress. */
  upgrade: Control['upgrade'] = ({ path: script, node, timeoutMs: timeout }, onAnswer) =>
    void this.#upgrade.request({ script, node, timeout }, onAnswer);

  #makeSockets(): SocketKeeping {
    const { kernel, table, listeners, post, observation, config } = this.#context;
    const { instance, environment, restarted, again } = this.#options;
    return new SocketKeeping({
      kernel,
      table,
      instance,
      environment,
      listeners,
      post,
      report: (fact) => observation.report(fact),
      policy: () => config().application.restart_supervisor,
      restarted,
      vault: () => this.vault.vault,
      stored: storedDescriptors(process.env, process.pid).map(({ name }) => name),
      command: () => ownCommand(again),
    });
  }

  #makeRecorder(): StateRecorder {
    const { listeners, post, observation, directory, processes } = this.#context;
    const { instance, version, source, folder, recovered } = this.#options;
    const file = new StateFile({
      instance,
      version,
      configFile: source.file && path.resolve(folder, source.file),
      before: recovered?.before ?? null,
      vault: () => this.vault.vault,
      failed: (error) => {
        const failure = writeFailure('write state', file.file, error);
        directory.look();
        post({ type: 'write_failed', file: 'state', failure });
      },
      recovered: () => post({ type: 'done', effect: { type: 'write', file: 'state' } }),
    });
    return new StateRecorder({
      listeners,
      log: new ListenerLog((fact) => observation.report(fact)),
      file,
      others: () => ({ keeper: this.sockets.identity, ...processes() }),
    });
  }

  #makeUpgrade(): SelfUpgrade {
    const { observation, commands, state, generations } = this.#context;
    const { version, environment, folder, again } = this.#options;
    return new SelfUpgrade({
      version,
      command: () => ownCommand(again),
      system: commands,
      environment,
      directory: folder,
      state,
      vault: () => this.vault.vault,
      report: (fact) => observation.report(fact),
      execute: (program, older) =>
        handOverTo(program, older, {
          environment,
          control: observation.control,
          generations: generations(),
          memory: this.vault,
          recorder: this.recorder,
          flush: () => observation.flush(),
          obstacle: () => obstacleTo(state()),
          handed: () => this.#handed(),
          failed: (step, error) => observation.failed(step, error),
        }),
    });
  }

  /** The data for the next program in this process. Throws Error without memory that outlives this program. */
  #handed(): Handed {
    const { version, instance } = this.#options;
    const { directory, listeners } = this.#context;
    return {
      from: version,
      since: now(),
      lock: directory.lock,
      fifo: this.sockets.fifoFd,
      vault: this.vault.require().fd,
      sockets: listeners.kept().map(({ fd }) => fd),
      runtimeDirectory: instance.runtimeDirectory,
    };
  }
}
