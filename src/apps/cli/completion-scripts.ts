/** Shells that completion is made for. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const
/** A shell that completion is made for. */
export type ShellName = (typeof SHELLS)[number]

/**
 * The completion scripts. They hold no names: every completion asks `kosctl __complete`, which answers
 * `word<tab>summary` lines from its table of commands, and `:files` where names of files can stand.
 * A script that was installed once stays right.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<ShellName, string>> = {
  bash: `# kosctl completion for bash: source <(kosctl completion bash)
_kosctl() {
  local word summary current="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  while IFS=$'\\t' read -r word summary; do
    if [[ $word == :files ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$current")
    else
      COMPREPLY+=("$word")
    fi
  done < <(kosctl __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _kosctl kosctl`,

  zsh: `#compdef kosctl
# kosctl completion for zsh: source <(kosctl completion zsh), or a file _kosctl in a folder of $fpath
_kosctl() {
  local word summary files=
  local -a candidates
  while IFS=$'\\t' read -r word summary; do
    if [[ $word == :files ]]; then
      files=1
    else
      candidates+=("\${word//:/\\\\:}:$summary")
    fi
  done < <(kosctl __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)
  (( $#candidates )) && _describe kosctl candidates
  [[ -n $files ]] && _files
}
if [[ $funcstack[1] == _kosctl ]]; then
  _kosctl "$@"
else
  compdef _kosctl kosctl
fi`,

  fish: `# kosctl completion for fish: kosctl completion fish | source
function __kosctl_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  for line in (kosctl __complete $words[2..-1] "$current" 2>/dev/null)
    if test "$line" = ":files"
      __fish_complete_path "$current"
    else
      printf '%s\\n' $line
    end
  end
end
complete -c kosctl -f -a '(__kosctl_complete)'`,
}
