import type { Admin } from '../../admin/admin.ts';
import type { AdminServer } from '../../admin/server.ts';
import type { AdminSource } from '../../admin/source.ts';
import { errorText } from '../../common/errors.ts';
import type { ApplicationConfig } from '../../config/schema.ts';
import type { Fact } from '../../lifecycle/facts.ts';
import type { OwnSockets } from '../../listeners/diagnosis/holders.ts';
import { type AdminSocket, openAdminSocket } from './admin-socket.ts';

type AdminConfig = ApplicationConfig['admin'];

export interface AdminContext {
  readonly source: AdminSource;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly report: (fact: Fact) => void;
  readonly ownSocket: OwnSockets;
}

interface Open {
  /** The address as the config has it. */
  readonly wanted: string;
  readonly socket: AdminSocket;
  readonly server: AdminServer;
}

/**
 * Opens, moves and closes the admin endpoint as configs require. The endpoint is read-only, so its failures never stop
 * the service: if an address cannot be bound, zero logs an error and the endpoint keeps its address.
 */
export class AdminEndpoint {
  readonly #context: AdminContext;
  /** Events before the endpoint exists to count them; null if no config requires the endpoint. */
  #early: { fact: Fact; at: number }[] | null;
  #admin: Admin | null = null;
  #open: Open | null = null;
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  /** @param config the config of the start. Events count from now on, although the endpoint opens later */
  constructor(config: AdminConfig, context: AdminContext) {
    this.#context = context;
    this.#early = config ? [] : null;
  }

  /** Applies this config. Never rejects. */
  configure(config: AdminConfig): void {
    this.#turn = this.#turn.then(() => this.#apply(config));
  }

  report(fact: Fact): void {
    if (this.#admin) this.#admin.take(fact, this.#context.now());
    else this.#early?.push({ fact, at: this.#context.now() });
  }

  close(): void {
    this.#closed = true;
    this.#leave();
  }

  async #apply(config: AdminConfig): Promise<void> {
    if (this.#closed) return;
    if (!config) {
      this.#early = null;
      this.#admin = null;
      this.#leave();
    } else if (config.address.text !== this.#open?.wanted) {
      await this.#move(config);
    }
  }

  async #move({ address }: NonNullable<AdminConfig>): Promise<void> {
    const { report, ownSocket } = this.#context;
    let socket: AdminSocket | null = null;
    try {
      const admin = await this.#load();
      socket = await openAdminSocket(address, ownSocket);
      const ownHost = socket.reach === 'machine' && address.kind === 'inet' ? address.host : null;
      const server = await admin.serve({ fd: socket.fd, ownHost });
      const open = { wanted: address.text, socket, server };
      if (this.#closed) {
        this.#leave(open);
        return;
      }
      this.#leave();
      this.#open = open;
      report({ event: 'admin_listening', address: socket.text });
      if (socket.reach === 'network') report(exposed(socket.text));
    } catch (error) {
      socket?.remove();
      const why = errorText(error);
      const meanwhile = this.#open ? `It stays open at ${this.#open.socket.text}.` : 'It stays closed.';
      report({
        event: 'error',
        step: 'admin',
        message: `cannot open the admin endpoint: ${why}. ${meanwhile}`,
      });
    }
  }

  async #load(): Promise<Admin> {
    if (this.#admin) return this.#admin;
    const { Admin } = await import('../../admin/admin.ts');
    const { source, report } = this.#context;
    const admin = new Admin(source, (message) => report({ event: 'warning', about: 'admin', message }));
    for (const { fact, at } of this.#early ?? []) admin.take(fact, at);
    this.#early = null;
    this.#admin = admin;
    return admin;
  }

  #leave(open: Open | null = this.#open): void {
    if (open === null) return;
    open.socket.remove();
    open.server.close();
    if (open !== this.#open) return;
    this.#open = null;
    this.#context.report({ event: 'admin_closed', address: open.socket.text });
  }
}

function exposed(address: string): Fact {
  const message = `the admin endpoint at ${address} is open to other machines, without authentication: bind it to localhost, or restrict access with a firewall`;
  return { event: 'warning', about: 'admin', message };
}
