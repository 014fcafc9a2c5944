# bash completion for bourn. Verbs and flags are asked of the program, so they are never stale.
_bourn() {
    local word=${COMP_WORDS[COMP_CWORD]} verb=${COMP_WORDS[1]:-}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ] || { [ "$verb" = help ] && [ "$COMP_CWORD" -eq 2 ]; }; then
        local verbs
        verbs=$("${COMP_WORDS[0]}" help 2>/dev/null | sed -n 's/^  \([a-z]\{2,\}\)   *[^ ].*/\1/p' | grep -vx bourn)
        mapfile -t COMPREPLY < <(compgen -W "$verbs help" -- "$word")
    elif [[ $word == -* ]]; then
        local flags
        flags=$("${COMP_WORDS[0]}" help "$verb" 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u)
        mapfile -t COMPREPLY < <(compgen -W "$flags" -- "$word")
        return
    fi
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$word")
}
complete -o filenames -F _bourn bourn
