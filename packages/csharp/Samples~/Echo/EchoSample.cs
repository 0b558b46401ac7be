using System.Text;
using Ikcp;
using UnityEngine;

/// Put this on any object of a scene: a server and a client that talk to each other.
public class EchoSample : MonoBehaviour
{
    KcpServer server;
    KcpClient client;

    void Start()
    {
        server = new KcpServer("127.0.0.1", 4004);
        server.OnMessage += (peer, message) => peer.Send(message);
        client = new KcpClient("127.0.0.1", 4004);
        client.OnMessage += message => Debug.Log(Encoding.UTF8.GetString(message.Array, message.Offset, message.Count));
        client.OnDisconnected += why => Debug.Log("disconnected: " + why);
        client.Send(Encoding.UTF8.GetBytes("hello"));
    }

    void Update()
    {
        server.Tick();
        client.Tick();
    }

    void OnDestroy()
    {
        client.Dispose();
        server.Dispose();
    }
}
