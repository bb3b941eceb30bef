/** The config file's name: `--config`, else `$ZERO_CONFIG`, else `./zero.yaml`. An empty one counts as not given. */
export function locateConfig(
  option: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  return option || environment.ZERO_CONFIG || 'zero.yaml';
}
