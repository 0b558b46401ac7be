# As the module has its archives beside its sources, they are there after `go mod vendor`, too.
go mod vendor
go build -mod=vendor -o vendored .
[[ $(./vendored) == hello ]]
rm -r vendor
sed '/^\/\/go:build ignore$/d' "$ROOT/packages/go/test.go" >kcp_test.go
go test -vet=off .
