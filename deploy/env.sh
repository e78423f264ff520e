# What the scripts of deploy/ share: errors, and values of .env. Read with "." after env_file is set.

die() {
    echo "error: $1" >&2
    exit 1
}

# The value of a variable: the shell wins over the file, and the last line of the file counts.
value() {
    eval "found=\${$1:-}"
    if [ -z "$found" ]; then
        found=$(sed -n "s/^\(export \)\{0,1\}$1=//p" "$env_file" | sed -n '$p')
    fi
    case "$found" in
    "''" | '""' | [[:space:]]* | "#"*) found= ;;
    esac
    printf '%s' "$found"
}

# Variables that compose files require: ${NAME:?…}.
required() {
    sed -n 's/.*\${\([A-Z0-9_]*\):?.*/\1/p' "$@" | sort -u
}
