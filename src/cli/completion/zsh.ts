import type { CommandShape, OptionShape, Shape, Value } from './parts.ts';
import { GENERATIONS, HANDOVERS, INSTANCES } from './parts.ts';

/** The script for zsh 5, in a file of $fpath or sourced. */
export function zshCompletion({ commands, options }: Shape): string {
  return `#compdef zero
# zero in zsh: put this into ~/.zshrc, behind compinit
#   source <(zero completion zsh)
_zero_instances() {
  setopt localoptions nullglob
  local -a found
  found=(\${(f)"$(${INSTANCES.replaceAll('\n', '\n  ')})"})
  compadd "$@" -a found
}
_zero_numbers() {
  local -a instance found
  local at source=$1
  shift
  for ((at = 2; at < CURRENT; at++)); do
    case $words[at] in
      --config | --name) instance+=($words[at] $words[at+1]) ;;
      --config=* | --name=*) instance+=($words[at]) ;;
    esac
  done
  found=(\${(f)"$($source $instance)"})
  compadd "$@" -a found
}
_zero_generation_numbers() { ${GENERATIONS} }
_zero_handover_numbers() { ${HANDOVERS} }
_zero_generations() { _zero_numbers _zero_generation_numbers "$@" }
_zero_handovers() { _zero_numbers _zero_handover_numbers "$@" }
_zero() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C -S \\
${options.map(specification).join('')}    '1: :->command' \\
    '*:: :->rest'
  case $state in
    command)
      local -a commands
      commands=(
${commands.map(({ name, description }) => `        ${quote(`${name}:${description}`)}`).join('\n')}
      )
      _describe -t commands command commands ;;
    rest)
      case $words[1] in
${commands.map(commandCase).join('\n')}
      esac ;;
  esac
}
if [ "$funcstack[1]" = _zero ]; then _zero "$@"; else compdef _zero zero; fi
`;
}

function commandCase({ name, options, argument }: CommandShape): string {
  const specifications = options.map(specification).join('');
  return `        ${name}) _arguments -S \\\n${specifications}    ${argument === null ? '&& return' : behind(argument)} ;;`;
}

/**
 * One specification for each name of an option, which excludes the other names. A leading `*` lets the option be given
 * again.
 */
function specification({ names, description, value, repeatable }: OptionShape): string {
  const text = `[${description.replaceAll(/[\\[\]:]/g, '\\$&')}]`;
  const what = value === null ? '' : `:${value.kind}:${action(value)}`;
  return names
    .map((name) => {
      const exclusive = names.length > 1 ? `(${names.join(' ')})` : '';
      return `    ${quote(`${repeatable ? '*' : exclusive}${name}${text}${what}`)} \\\n`;
    })
    .join('');
}

function behind(argument: Value): string {
  return quote(
    argument.kind === 'command' ? '*:::command:_normal' : `1:${argument.kind}:${action(argument)}`,
  );
}

function action(value: Value): string {
  switch (value.kind) {
    case 'word':
      return `(${value.words.join(' ')})`;
    case 'file':
      return '_files';
    case 'instance':
      return '_zero_instances';
    case 'generation':
      return '_zero_generations';
    case 'handover':
      return '_zero_handovers';
    default:
      return ' ';
  }
}

const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;
