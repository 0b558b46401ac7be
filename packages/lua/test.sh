for version in 5.1 5.2 5.3 5.4; do
    rm -rf rocks
    luarocks --lua-version $version --tree rocks install dist/packages/ikcp-*.src.rock >/dev/null
    eval "$(luarocks --lua-version $version --tree rocks path)"
    interpreters=lua$version
    [[ $version != 5.1 ]] || interpreters+=" luajit"
    for interpreter in $interpreters; do
        $interpreter "$ROOT/packages/lua/test.lua"
    done
    unset LUA_PATH LUA_CPATH LUA_PATH_${version/./_} LUA_CPATH_${version/./_}
done
luarocks --lua-version 5.4 --tree rocks install dist/packages/ikcp-*.src.rock >/dev/null
