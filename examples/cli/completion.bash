# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of the gpucluster command for bash: commands, options, clusters and machines.

# The clusters and machines come from the state directory alone: nothing is contacted.
_gpucluster_ask() {
    local IFS=$'\n'
    local -a globals=()
    [ -z "$_gpucluster_state" ] || globals=(--state-dir "$_gpucluster_state")
    "${COMP_WORDS[0]/#\~/$HOME}" "${globals[@]}" "$@" 2>/dev/null
}
_gpucluster_clusters() { _gpucluster_ask list; }
_gpucluster_machines() {
    _gpucluster_ask --json status ${1:+"$1"} | sed 's/.*"machines":\[//; s/\],"steps".*//' |
        grep -o '"name": *"[^"]*"' | sed 's/.*"\([^"]*\)"$/\1/'
}
_gpucluster_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }
_gpucluster_files() {
    compopt -o filenames
    mapfile -t -O "${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
}

_gpucluster() {
    local cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
    local command='' cluster='' i _gpucluster_state='' arguments=0
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
            --state-dir) _gpucluster_state=${COMP_WORDS[++i]} ;;
            --bundle | --mirror | --replace | --let-go | --skip | --set | --merge | --server | --port | \
                --kubeconfig | --zone | --project | --kind | --report | --output | --from | --format | -n | -o | --host | --hosts | --user | --identity | \
                --passphrase-env | --known-hosts | --jump | --sudo-password-env | --gpus | --parallel | \
                --connect-timeout | --context | --namespace | --image | --runtime-class | --check) i=$((i + 1)) ;;
            -c | --cluster) cluster=${COMP_WORDS[++i]} ;;
            -f | --file) i=$((i + 1)) ;;
            -*) ;;
            *) if [ -z "$command" ]; then command=${COMP_WORDS[i]}; else arguments=$((arguments + 1)); fi ;;
        esac
    done
    case $previous in
        -c | --cluster) _gpucluster_words "$(_gpucluster_clusters)"; return ;;
        --replace | --let-go) _gpucluster_words "$(_gpucluster_machines "$cluster")"; return ;;
        --state-dir | --bundle) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        -f | --file | --merge | --kubeconfig | --report | --output | --from | -o | --hosts | --identity | --known-hosts) _gpucluster_files; return ;;
        --kind) _gpucluster_words "gce local"; return ;;
        --format) _gpucluster_words "json ctrf junit html table"; return ;;
        --mirror | --server | --port | --skip | --set | --zone | --project | -n | --host | --user | \
            --passphrase-env | --jump | --sudo-password-env | --gpus | --parallel | --connect-timeout | --context | \
            --namespace | --image | --runtime-class) return ;;
    esac
    case $command in
        '')
            case $cur in
                -*) _gpucluster_words "--json --quiet --verbose --state-dir --bundle --mirror --help --version" ;;
                *) _gpucluster_words "plan up status verify report run kubeconfig proxy ssh scp logs support-bundle down catalog gc gpu list" ;;
            esac
            return ;;
    esac
    case $command,$cur in
        plan,-*) _gpucluster_words "--shell --replace --let-go --skip --help" ;;
        up,-*) _gpucluster_words "--replace --let-go --skip --no-proof --report --help" ;;
        report,-*) _gpucluster_words "--from --format --output --help" ;;
        gc,-*) _gpucluster_words "--kind --project --delete --all --min-age --help" ;;
        catalog,-*) _gpucluster_words "--zone --project --shipped --json --help" ;;
        gpu,-*) _gpucluster_words "--json --help" ;;
        gpu,*) if [ "$arguments" -gt 0 ]; then _gpucluster_files; else _gpucluster_words parse; fi ;;
        catalog,*) _gpucluster_words "accelerators machine-types zones" ;;
        status,-*) _gpucluster_words "--watch --help" ;;
        verify,-*)
            _gpucluster_words "--host --hosts --user --port --identity --passphrase-env --agent --known-hosts \
                --trust-on-first-use --jump --sudo-password-env --gpus --parallel --connect-timeout \
                --kubeconfig --context --namespace --image --runtime-class --label --check --report --help" ;;
        run,-*) _gpucluster_words "-c --cluster --kubeconfig --context -f --file --set --verify --help" ;;
        kubeconfig,-*) _gpucluster_words "--merge --server --help" ;;
        proxy,-*) _gpucluster_words "--port --kubeconfig --help" ;;
        ssh,-*) _gpucluster_words "-c --cluster -t --help" ;;
        scp,-*) _gpucluster_words "-c --cluster --help" ;;
        logs,-*) _gpucluster_words "-n --help" ;;
        support-bundle,-*) _gpucluster_words "-o --help" ;;
        down,-*) _gpucluster_words "--purge-driver --let-go --yes --help" ;;
        *,-*) _gpucluster_words "--help" ;;
        plan,* | up,* | verify,*)
            [ "$arguments" -gt 0 ] || { _gpucluster_words "$(_gpucluster_clusters)"; _gpucluster_files; } ;;
        run,*) [ "$arguments" -gt 0 ] || _gpucluster_words "nvidia-smi cuda vectoradd tensorflow pytorch" ;;
        ssh,*) [ "$arguments" -gt 0 ] || _gpucluster_words "$(_gpucluster_machines "$cluster")" ;;
        scp,*)
            compopt -o nospace
            _gpucluster_words "$(_gpucluster_machines "$cluster" | sed 's/$/:/')"
            _gpucluster_files ;;
        list,*) ;;
        *) [ "$arguments" -gt 0 ] || _gpucluster_words "$(_gpucluster_clusters)" ;;
    esac
}
complete -F _gpucluster gpucluster
