# fish completion for arcusctl: the program itself knows what fits.
function __arcusctl_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -q current[1]; or set current ''
    for line in (arcusctl __complete -- $before[2..-1] $current 2>/dev/null)
        switch $line
            case ':files' ':dirs'
                __fish_complete_path $current
            case ':*'
            case '*'
                echo $line
        end
    end
end
complete -c arcusctl -f -a '(__arcusctl_complete)'
