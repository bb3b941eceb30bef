import { now, timers } from '../../common/clock.ts';
import { errorText } from '../../common/errors.ts';
import type { Config } from '../../config/index.ts';
import type { Control } from '../../control/control.ts';
import { EventLog } from '../../control/event-log.ts';
import { measure, measuredStatus } from '../../control/measured-status.ts';
import type { StatusDocument } from '../../control/status-document.ts';
import type { Views } from '../../control/views.ts';
import type { Hash } from '../../history/executables.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { openHandovers } from '../../lifecycle/requests.ts';
import { type State, servingGeneration } from '../../lifecycle/state.ts';
import type { ListenerSet } from '../../listeners/listener-set.ts';
import { createRedact } from '../../telemetry/redact.ts';
import { OutputLog } from '../../workers/output/output-log.ts';
import { earlierProblem } from '../../workers/spawning/release.ts';
import { ReleaseError } from '../../workers/spawning/release-error.ts';
import { resolveUser, type TargetUser } from '../../workers/spawning/target-user.ts';
import { writeFailure } from '../run/effect-failure.ts';
import type { Happening } from '../run/engine.ts';
import type { Generations } from '../run/generations.ts';
import type { PreparedReleases } from '../run/prepared-releases.ts';
import { ConfigError } from '../start/config-source.ts';
import { isManaged } from '../start/restarted.ts';
import { FLUSH_TIME, type SupervisorOptions } from '../supervisor-options.ts';
import { AdminEndpoint } from './admin-endpoint.ts';
import { ConnectionCounter } from './connection-counter.ts';
import { ControlEndpoint, ticketAfter } from './control-endpoint.ts';
import { ControlSocket } from './control-socket.ts';
import { HistoryRecorder } from './history-recorder.ts';
import { LastEvent } from './last-event.ts';
import { logTarget } from './log-target.ts';
import { Meter } from './meter.ts';
import { Outlets } from './outlets.ts';
import { Reporter } from './reporter.ts';
import { signalWorkers } from './signal-workers.ts';
import { StartAdvice } from './start-advice.ts';
import { statusOf } from './status.ts';
import { TelemetryController } from './telemetry-controller.ts';
import { UsageReader } from './usage-reader.ts';

/** The service, as views and endpoints see it. */
export interface ObservedService {
  readonly state: State;
  readonly generations: Generations;
  readonly post: (happening: Happening) => void;
  /** Hashes executables. */
  readonly hash: Hash;
  readonly keeper: NonNullable<StatusDocument['keeper']> | null;
  /** Whether a keeper or a service manager restarts zero when it is killed. */
  readonly restarts: boolean;
  readonly upgrade: Control['upgrade'];
}

export interface ObservationContext {
  readonly listeners: ListenerSet;
  readonly releases: PreparedReleases;
  /** Must not be called before the constructor has returned. */
  readonly service: () => ObservedService;
}

const STDERR = 2;

/**
 * The parts that record and show the service: output, log, metrics, history, events, status, and the sockets for
 * commands and browsers.
 */
export class Observation {
  readonly outlets: Outlets;
  readonly history: HistoryRecorder;
  readonly endpoint: ControlEndpoint;
  readonly control: ControlSocket;
  readonly output = new OutputLog();
  readonly #options: SupervisorOptions;
  readonly #context: ObservationContext;
  readonly #telemetry: TelemetryController;
  readonly #admin: AdminEndpoint;
  readonly #lastEvent = new LastEvent(now);
  readonly #startedAt: number;
  /** null until all recipients exist. */
  #reporter: Reporter | null = null;

  constructor(options: SupervisorOptions, context: ObservationContext) {
    const { config, instance, version, recovered } = options;
    this.#options = options;
    this.#context = context;
    this.#startedAt = recovered?.before.firstStarted ?? now();
    const report = (fact: Fact) => this.report(fact);
    this.outlets = new Outlets(instance.name, report);
    this.#telemetry = new TelemetryController(config, {
      name: instance.name,
      version,
      fd: STDERR,
      target: logTarget(this.outlets.stderr, STDERR),
      secrets: () => context.releases.secrets(),
      timers,
    });
    this.history = this.#makeHistory();
    this.endpoint = this.#makeEndpoint();
    const events = new EventLog(Date.now);
    const processes = () => context.service().generations.processes();
    const usage = new UsageReader({ processes, now });
    const connections = new ConnectionCounter(processes, context.listeners, now);
    const views: Views = {
      events,
      output: this.output,
      outputFile: () => this.#outputFile(),
      connections: () => connections.count(),
      usage: () => usage.read(),
    };
    this.control = new ControlSocket({
      config,
      instance,
      version,
      control: this.endpoint,
      views,
      report,
      failed: (step, error) => this.failed(step, error),
    });
    const meter = new Meter(usage, context.listeners, connections, now);
    this.#admin = new AdminEndpoint(config.application.admin, {
      source: {
        status: () => this.#status(),
        readings: () => meter.read(),
        dashboard: {
          status: async () => measuredStatus(this.#status(), await measure(views)),
          timeline: async () => this.history.timeline(),
          events,
          redactor: () => createRedact(context.releases.secrets()),
        },
      },
      now,
      report,
      ownSocket: (inode) => context.listeners.nameOf(inode),
    });
    // The history comes first: a later recipient of a fact may read it there.
    this.#reporter = new Reporter([
      this.history,
      this.#telemetry,
      events,
      this.endpoint,
      this.#lastEvent,
      this.#admin,
      this.#makeAdvice(),
    ]);
  }

  report(fact: Fact): void {
    (this.#reporter ?? this.#telemetry).report(fact);
  }

  /** Reports a failed step of the supervisor itself. */
  failed(step: string, error: unknown): void {
    this.report({ event: 'error', step, message: `${step}: ${errorText(error)}` });
  }

  /** Opens the sockets for commands and browsers. */
  open(config: Config): void {
    // Stays closed if the first start failed at once.
    if (!this.#context.service().state.exit) void this.control.open();
    this.#admin.configure(config.application.admin);
  }

  /**
   * Applies the config of the generation that serves.
   * @param isFirst the config is the one of the start, for which `open` opens the admin endpoint
   */
  configure(config: Config, isFirst: boolean): void {
    if (!isFirst) this.#admin.configure(config.application.admin);
    try {
      this.#telemetry.configure(config, FLUSH_TIME);
    } catch (error) {
      this.failed('open telemetry', error);
    }
  }

  /** Reopens zero's own files. */
  reopenLogs(): void {
    this.#telemetry.reopen();
    this.outlets.files.reopen();
  }

  async flush(): Promise<void> {
    await this.#telemetry.flush(FLUSH_TIME);
    await this.outlets.flush(FLUSH_TIME);
  }

  /** Called when the service has ended. Passes on its output as long as the readers take it in time. */
  async endService(): Promise<void> {
    await this.outlets.endService(FLUSH_TIME);
    this.#admin.close();
  }

  /** Called when zero exits. Writes the last lines. The control socket closes later. */
  async end(): Promise<void> {
    await Promise.race([this.history.close(), new Promise((resolve) => setTimeout(resolve, FLUSH_TIME))]);
    await this.#telemetry.close(FLUSH_TIME);
    // The log may use the same descriptors.
    await this.outlets.end(FLUSH_TIME);
  }

  #makeHistory(): HistoryRecorder {
    const { releases, service } = this.#context;
    return new HistoryRecorder({
      dataDirectory: this.#options.instance.dataDirectory,
      clock: Date.now,
      hash: (...request) => service().hash(...request),
      report: (fact) => this.report(fact),
      inUse: () => releases.executables(),
      mayRun: (executable, directory) => earlierProblem({ executable, directory }, this.#user()),
      serving: () => servingGeneration(service().state),
      failed: (error, file) => {
        const failure = writeFailure('write history', file, error);
        service().post({ type: 'write_failed', file: 'history', failure });
      },
      recovered: () => service().post({ type: 'done', effect: { type: 'write', file: 'history' } }),
    });
  }

  #makeEndpoint(): ControlEndpoint {
    const { service } = this.#context;
    const { recovered } = this.#options;
    return new ControlEndpoint({
      post: (happening) => service().post(happening),
      status: () => this.#status(),
      restarts: () => service().restarts,
      upgrade: (options, onAnswer) => service().upgrade(options, onAnswer),
      firstTicket: recovered === null ? 1 : ticketAfter(recovered.state),
      history: () => this.history.document(),
      signal: (signal) => {
        const { state, generations } = service();
        return signalWorkers(signal, state.incumbent, generations, (fact) => this.report(fact));
      },
      handovers: () => {
        const { state } = service();
        return { open: openHandovers(state), current: state.handover?.id ?? null };
      },
      recorded: () => this.history.handovers(),
    });
  }

  #makeAdvice(): StartAdvice {
    const { source, instance } = this.#options;
    const { releases, service } = this.#context;
    return new StartAdvice({
      find: (generation) => this.history.lastGood(releases.ofGeneration(generation ?? 0)?.record ?? null),
      report: (fact) => this.report(fact),
      isRunning: () => service().state.exit === null,
      instance: source.file === null ? `--name ${instance.name}` : `--config ${source.file}`,
    });
  }

  #status(): StatusDocument {
    const { instance, source, version, recovered } = this.#options;
    const { state, generations, keeper, restarts } = this.#context.service();
    return statusOf({
      name: instance.name,
      configFile: source.read,
      version,
      startedAt: this.#startedAt,
      supervisor: {
        restarts: recovered?.before.restarts ?? 0,
        upgrades: recovered?.before.upgrades ?? 0,
        started_by: recovered?.by ?? (isManaged(process.env) ? 'service_manager' : 'manual'),
        restarted_when_killed: restarts,
      },
      keeper,
      now: now(),
      state,
      listeners: this.#context.listeners,
      deviationOf: (generation) => generations.deviationOf(generation),
      lastEvent: this.#lastEvent.document(),
    });
  }

  /** The output file of the generation that serves, otherwise of the newest one. */
  #outputFile(): string | null {
    const { incumbent, generations } = this.#context.service().state;
    const generation = incumbent ?? generations.at(-1)?.id;
    return generation === undefined ? null : this.outlets.files.pathOf(generation);
  }

  /** The user of the next generation; null also if the config has no valid one. */
  #user(): TargetUser | null {
    try {
      const { user, group } = this.#options.source.load().service.runtime;
      return resolveUser(user, group);
    } catch (error) {
      if (error instanceof ConfigError || error instanceof ReleaseError) return null;
      throw error;
    }
  }
}
