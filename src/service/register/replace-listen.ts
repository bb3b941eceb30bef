import { Server } from 'node:net';

/** The method as it was. */
export type Listen = (this: Server, ...args: unknown[]) => Server;

/** From now on `listen` decides about every server of this thread: http, https, http2 and tls listen by the method of net. */
export function replaceListen(decide: (server: Server, args: unknown[], listen: Listen) => Server): void {
  const listen = Server.prototype.listen as Listen;
  Server.prototype.listen = function (this: Server, ...args: unknown[]) {
    return decide(this, args, listen);
  } as Server['listen'];
}
