import type { Config } from '../../config/index.ts';
import type { Control } from '../../control/control.ts';
import { type ControlServer, createControlServer } from '../../control/server.ts';
import type { Views } from '../../control/views.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import { controlSocketOf, type Instance } from '../instance/instance.ts';

export interface ControlSocketContext {
  readonly config: Config;
  readonly instance: Instance;
  readonly version: string;
  readonly control: Control;
  readonly views: Views;
  readonly report: (fact: Fact) => void;
  readonly failed: (step: string, error: unknown) => void;
}

/** The control socket of this supervisor. */
export class ControlSocket {
  readonly #context: ControlSocketContext;
  #server: ControlServer | null = null;

  constructor(context: ControlSocketContext) {
    this.#context = context;
  }

  /** The path of the socket; null while it is not open. */
  get path(): string | null {
    const { config, instance } = this.#context;
    return this.#server && controlSocketOf(config, instance).path;
  }

  /** Opens the socket. Never rejects: the service runs without it. */
  async open(): Promise<void> {
    const { config, instance, version, control, views, report, failed } = this.#context;
    try {
      this.#server = await createControlServer({
        ...controlSocketOf(config, instance),
        control,
        views,
        identity: { version, name: instance.name, pid: process.pid },
        warn: (message) => report({ event: 'warning', about: 'control', message }),
      });
    } catch (error) {
      failed('open control socket', error);
    }
  }

  /** Restores the file of the socket if it was removed. Rejects with ControlError if it cannot be bound again. */
  async restore(): Promise<void> {
    await this.#server?.restore();
  }

  /** @param options `isUpgrade`: another zero takes over in this process */
  async close(options?: { readonly isUpgrade: boolean }): Promise<void> {
    await this.#server?.close(options);
    this.#server = null;
  }
}
