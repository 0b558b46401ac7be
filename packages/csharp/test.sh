python3 "$ROOT/packages/csharp/check.py" dist/packages/Ikcp.*.nupkg dist/packages/com.example.ikcp-*.tgz
mcs -r:Ikcp.dll -out:Test.exe "$ROOT/packages/csharp/Test.cs"
mono Test.exe
# What Unity compiles, with a stand-in for the engine: the sources and the sample of its package.
tar xzf dist/packages/com.example.ikcp-*.tgz
echo 'namespace UnityEngine { public class MonoBehaviour { } public static class Debug { public static void Log(object it) { } } }' >Engine.cs
mcs -unsafe -langversion:7.2 -target:library -out:Unity.dll Engine.cs package/Runtime/*.cs package/Samples~/Echo/*.cs
