import * as z from 'zod/mini';
import { assignDescriptors, fillRuntime } from './fill.ts';
import { application } from './schema/application.ts';
import { handover } from './schema/handover.ts';
import { hooks } from './schema/hooks.ts';
import { key } from './schema/key.ts';
import { listener } from './schema/listener.ts';
import { liveness } from './schema/liveness.ts';
import { options, watch } from './schema/options.ts';
import { output } from './schema/output.ts';
import { readiness } from './schema/readiness.ts';
import { restart } from './schema/restart.ts';
import { runtime } from './schema/runtime.ts';

const service = z.strictObject({
  listeners: key('The addresses that zero listens on for the service.', z.prefault(z.array(listener), [])),
  runtime: key('The program that is started.', runtime),
  options: key('How the service is reloaded and stopped.', z.prefault(options, {})),
  readiness: key(
    'The gates of a new generation. It is ready when every gate has passed.',
    z.prefault(readiness, {}),
  ),
  handover: key('How a new generation takes over from the one that serves.', z.prefault(handover, {})),
  restart: key('What happens when the service exits unexpectedly.', z.prefault(restart, {})),
  output: key(
    "Write the service's output to rotated files. Default: to zero's stdout and stderr. See docs/guide/output.md.",
    z.exactOptional(output),
  ),
  liveness: key(
    'Health checks of each worker of the serving generation. Default: none. See docs/guide/workers.md.',
    z.exactOptional(liveness),
  ),
  watch: key(
    'Hand over when files have changed. Default: no file is watched. See docs/guide/watch.md.',
    z.exactOptional(watch),
  ),
  hooks: key(
    'Commands that zero runs around a handover, as its own user: see docs/guide/hooks.md.',
    z.prefault(hooks, {}),
  ),
});

/** The config file: the only source of its types, its defaults, its JSON Schema and its reference. */
export const fileSchema = z.strictObject({
  application: key('zero itself.', z.prefault(application, {})),
  service: key('The service.', service),
});

/** The contents of the file, with the defaults that do not depend on other keys. */
export type FileConfig = z.output<typeof fileSchema>;

/**
 * Adds the defaults that depend on other keys: descriptor numbers, and whether the environment is inherited. The
 * default name depends on the path of the file (src/supervisor/instance/default-name.ts).
 */
export function completeConfig(file: FileConfig) {
  const listeners = assignDescriptors(file.service.listeners, file.service.readiness.ready_fd);
  return { ...file, service: { ...file.service, listeners, runtime: fillRuntime(file.service.runtime) } };
}

/**
 * The config as the program uses it: keys as in the file, durations in milliseconds, with all defaults except the name.
 */
export type Config = ReturnType<typeof completeConfig>;
export type ApplicationConfig = Config['application'];
export type LoggingConfig = ApplicationConfig['logging'];
export type MetricsConfig = NonNullable<ApplicationConfig['metrics']>;
export type ServiceConfig = Config['service'];
export type ListenerConfig = ServiceConfig['listeners'][number];
export type RuntimeConfig = ServiceConfig['runtime'];
export type ReadinessConfig = ServiceConfig['readiness'];
export type HandoverConfig = ServiceConfig['handover'];
export type LivenessConfig = NonNullable<ServiceConfig['liveness']>;
export type VerifyConfig = NonNullable<HandoverConfig['verify']>;
export type HttpGateConfig = NonNullable<ReadinessConfig['http']>;
export type TcpGateConfig = NonNullable<ReadinessConfig['tcp']>;
export type CommandGateConfig = NonNullable<ReadinessConfig['command']>;
