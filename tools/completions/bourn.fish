# fish completion for bourn. Verbs and flags are asked of the program, so they are never stale.
function __bourn_verbs
    bourn help 2>/dev/null | string match -rg '^  ([a-z]{2,})   *(\S.*)' | paste - - | string match -v 'bourn*'
end
function __bourn_flags
    set -l words (commandline -opc)
    test (count $words) -ge 2; and bourn help $words[2] 2>/dev/null | string match -ra -- '--[a-z][a-z-]*' | sort -u
end
complete -c bourn -n 'test (count (commandline -opc)) -eq 1' -a '(__bourn_verbs)'
complete -c bourn -n 'test (count (commandline -opc)) -ge 2' -a '(__bourn_flags)'
