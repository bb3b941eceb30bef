import { stringify } from 'yaml';
import * as z from 'zod/mini';
import { type Config, fileSchema } from './schema.ts';
import type { MetricsProxy } from './values/proxy.ts';

const MASK = '***';

/**
 * A config as a file that contains all defaults. Values of variables, the DSN's key and the proxy's user are masked.
 */
export function printConfig(config: Config): string {
  return stringify(z.encode(fileSchema, masked(config)), { lineWidth: 0, aliasDuplicateObjects: false });
}

function masked(config: Config): Config {
  const { application, service } = config;
  const { metrics, sentry_dsn } = application;
  const environment = service.runtime.environment.map(({ key, value }) => ({
    key,
    value: value === '' ? '' : MASK,
  }));
  return {
    application: {
      ...application,
      ...(metrics?.proxy && { metrics: { ...metrics, proxy: maskedProxy(metrics.proxy) } }),
      ...(sentry_dsn && { sentry_dsn: maskedDsn(sentry_dsn) }),
    },
    service: { ...service, runtime: { ...service.runtime, environment } },
  };
}

function maskedProxy(proxy: MetricsProxy): MetricsProxy {
  return { ...proxy, user: proxy.user === null ? null : { name: MASK, password: '' } };
}

function maskedDsn(dsn: string): string {
  const url = new URL(dsn);
  return `${url.protocol}//${MASK}@${url.host}${url.pathname}`;
}
