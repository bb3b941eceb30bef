import { formatHostPort } from '../../../common/host-port.ts';
import { type Command, optionOf, type Program, UNKNOWN } from '../program.ts';

const ADDRESS = /^([^\s:]*|\[[\da-fA-F:]+\]):\d+$|^unix:/;

export function gunicorn({ args }: Command): Program {
  const bind = optionOf(args, '--bind', '-b');
  return {
    ...UNKNOWN,
    addresses: bind !== null && ADDRESS.test(bind) ? [bind] : [],
    args,
    sockets: [
      'gunicorn takes it from LISTEN_FDS; its --bind has no effect. Without --preload it reports that it is ready before it has',
      'imported the application.',
    ],
    notifies: true,
    // The default of its own --graceful-timeout is 30 s.
    shutdownTimeout: '40s',
  };
}

export function uvicorn({ args }: Command): Program {
  const port = optionOf(args, '--port');
  const host = optionOf(args, '--host') ?? (port === null ? null : '127.0.0.1');
  const address = host === null ? [] : [formatHostPort({ host, port: port ?? 8000 })];
  return {
    ...UNKNOWN,
    addresses: address,
    args: optionOf(args, '--fd') === null ? [...args, '--fd', '${fd.http}'] : args,
    sockets: ['uvicorn takes it by --fd; its --host and --port have no effect.'],
  };
}
